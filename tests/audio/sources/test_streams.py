"""Sound from standard input and in datagrams."""

from __future__ import annotations

import os
import socket
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge.audio.sources.pcm import PcmSource
from edge.audio.sources.udp import UdpSource
from edge.errors import SourceUnavailable
from edge.settings.source_spec import PcmSpec, UdpSpec
from edge.types import SourceState
from tests.support.node import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from tests.audio.listener import Listener

    Listen: TypeAlias = Callable[..., Listener]

RAMP = np.arange(-16_000, 16_000, dtype="<i2")


def test_standard_input_is_read_to_its_end(listen: Listen) -> None:
    """Samples cut anywhere, even inside one, arrive in order; the writer's end is the end."""
    reader, writer = os.pipe()
    listener = listen("pcm:-", opener=lambda spec, rate_hz: PcmSource(spec, reader))
    data = RAMP.tobytes()
    for begin in range(0, len(data), 1001):
        os.write(writer, data[begin : begin + 1001])
    os.close(writer)
    listener.until_finished()
    os.close(reader)
    assert np.array_equal(listener.samples, RAMP / np.float32(32768))
    stats = listener.runner.stats()
    assert (stats.detail, stats.lost) == ("standard input has ended", True)


def test_channels_of_standard_input_stay_apart() -> None:
    """They become one where all sources' do."""
    reader, writer = os.pipe()
    source = PcmSource(PcmSpec("pcm:-", 48_000, 2), reader)
    source.open()
    os.write(writer, np.array([100, 300, -100, -300], "<i2").tobytes())
    chunk = source.read()
    assert chunk is not None
    assert (chunk.samples * 32768).tolist() == [[100, 300], [-100, -300]]
    assert source.rate_hz == 48_000
    os.close(writer)
    os.close(reader)


def test_a_closed_standard_input_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service without standard input is told what to do."""
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SourceUnavailable, match="standard input is closed"):
        PcmSource(PcmSpec("pcm:-")).open()


@pytest.fixture
def sender() -> Iterator[socket.socket]:
    """Return a socket to send datagrams from."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        yield out


def test_datagrams_become_sound(listen: Listen, sender: socket.socket) -> None:
    """Samples arrive in order, a stray byte at a datagram's end does no harm, and the sender is named."""
    port = free_port()
    listener = listen(f"udp://127.0.0.1:{port}")
    listener.until(lambda: _bound(port))
    for begin in range(0, RAMP.size, 800):
        sender.sendto(RAMP[begin : begin + 800].tobytes() + (b"x" if begin % 1600 else b""), ("127.0.0.1", port))
    listener.until(lambda: listener.samples.size == RAMP.size)
    assert np.array_equal(listener.samples, RAMP / np.float32(32768))
    assert listener.runner.stats().device == f"udp port {port} from 127.0.0.1"


def _bound(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def test_a_second_sender_is_not_mixed_in(listen: Listen, sender: socket.socket) -> None:
    """While one sends, another is not heard."""
    port = free_port()
    listener = listen(f"udp://127.0.0.1:{port}")
    listener.until(lambda: _bound(port))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        for _ in range(10):
            sender.sendto(np.full(800, 1000, "<i2").tobytes(), ("127.0.0.1", port))
            other.sendto(np.full(800, -1000, "<i2").tobytes(), ("127.0.0.1", port))
    listener.until(lambda: listener.samples.size == 8000)
    assert np.unique(listener.samples).size == 1


def test_a_sensor_that_starts_again_is_heard_soon(sender: socket.socket) -> None:
    """The same host on another port takes over after a third of a second; another host would have to wait longer."""
    source = UdpSource(UdpSpec("udp", "127.0.0.1", free_port()))
    source.open()
    packet = np.full(800, 1000, "<i2").tobytes()
    heard: list[float] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        sender.sendto(packet, ("127.0.0.1", source.port))
        begun = time.monotonic()
        while len(heard) < 2 and time.monotonic() - begun < 5:
            again.sendto(packet, ("127.0.0.1", source.port))
            chunk = source.read()
            if chunk is not None and chunk.samples.size:
                heard.append(time.monotonic() - begun)
    source.close()
    assert heard[1] < 1.5 < source.stall_s


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
@pytest.mark.parametrize("host", ["", "::"])
def test_a_port_without_a_host_hears_both_kinds_of_address(
    family: socket.AddressFamily, address: str, host: str
) -> None:
    """IPv4 and IPv6 alike, and an IPv4 sender is called what it calls itself."""
    source = UdpSource(UdpSpec("udp", host, free_port()))
    source.open()
    with socket.socket(family, socket.SOCK_DGRAM) as out:
        out.sendto(bytes(1600), (address, source.port))
        chunk = source.read()
    device = source.device
    source.close()
    assert chunk is not None
    assert chunk.samples.size == 800
    assert device.endswith(f" from {address}")


def test_a_flood_of_datagrams_is_read_in_small_parts(sender: socket.socket) -> None:
    """However much waits, a read returns hardly more than a second, so that what is too much can be dropped."""
    source = UdpSource(UdpSpec("udp", "127.0.0.1", free_port(), rate_hz=4_000))
    source.open()
    for _ in range(60):
        sender.sendto(bytes(8_000), ("127.0.0.1", source.port))
    sizes = []
    while (chunk := source.read()) is not None and chunk.samples.size:
        sizes.append(chunk.samples.size)
    source.close()
    assert sum(sizes) == 60 * 4_000
    assert max(sizes) < 2 * 4_000


def test_a_port_in_use_is_said(listen: Listen, sender: socket.socket) -> None:
    """Another program on the port is no crash, and when it goes the source comes."""
    sender.bind(("127.0.0.1", 0))
    port = sender.getsockname()[1]
    listener = listen(f"udp://127.0.0.1:{port}")
    listener.until(lambda: "cannot be opened" in listener.runner.stats().detail)
    assert listener.runner.stats().detail.endswith("choose a free port")
    assert listener.runner.stats().state is SourceState.OFFLINE


@pytest.mark.parametrize("host", ["192.0.2.7", 250 * "x."])
def test_an_address_of_another_machine_is_told_from_a_port_in_use(host: str) -> None:
    """Another port would not help; nor with a name that stands for nothing."""
    with pytest.raises(SourceUnavailable, match="name an address of this machine, or leave it out"):
        UdpSource(UdpSpec("udp", host, free_port())).open()


def test_a_quiet_port_is_offline_and_stays_open(
    listen: Listen, sender: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody sends: offline. Someone sends again: online at once, behind a gap."""
    monkeypatch.setattr(UdpSource, "stall_s", 0.3)
    port = free_port()
    listener = listen(f"udp://127.0.0.1:{port}")
    listener.until(lambda: _bound(port))
    sender.sendto(bytes(1600), ("127.0.0.1", port))
    listener.until_state(SourceState.ONLINE)
    listener.until(lambda: "no sound came" in listener.runner.stats().detail)
    sender.sendto(bytes(1600), ("127.0.0.1", port))
    assert listener.until_state(SourceState.ONLINE) < 1
    listener.until(lambda: listener.samples.size == 1600)
    assert len(listener.gaps) == 1
