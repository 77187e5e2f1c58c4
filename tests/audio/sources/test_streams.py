"""Sources of standard input and of UDP datagrams."""

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
    """Samples arrive in order from parts of any size, and the source ends with the writer."""
    reader, writer = os.pipe()
    listener = listen("pcm:-", opener=lambda spec, rate_hz: PcmSource(spec, reader))
    data = RAMP.tobytes()
    for begin in range(0, len(data), 1001):
        os.write(writer, data[begin : begin + 1001])
    os.close(writer)
    listener.collect_all()
    os.close(reader)
    assert np.array_equal(listener.samples, RAMP / np.float32(32768))
    stats = listener.runner.stats()
    assert (stats.detail, stats.lost) == ("standard input has ended", True)


def test_channels_of_standard_input_are_separate() -> None:
    """The source does not mix them."""
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


def test_a_closed_standard_input_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a standard input, the source is unavailable."""
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SourceUnavailable, match="standard input is closed"):
        PcmSource(PcmSpec("pcm:-")).open()


@pytest.fixture
def sender() -> Iterator[socket.socket]:
    """Return a socket to send datagrams from."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        yield out


def test_datagrams_become_sound(listen: Listen, sender: socket.socket) -> None:
    """Samples arrive in order, an odd last byte is dropped, and the sender is named."""
    port = free_port()
    listener = listen(f"udp://127.0.0.1:{port}")
    listener.collect_until(lambda: _is_bound(port))
    for begin in range(0, RAMP.size, 800):
        sender.sendto(RAMP[begin : begin + 800].tobytes() + (b"x" if begin % 1600 else b""), ("127.0.0.1", port))
    listener.collect_until(lambda: listener.samples.size == RAMP.size)
    assert np.array_equal(listener.samples, RAMP / np.float32(32768))
    assert listener.runner.stats().device == f"udp port {port} from 127.0.0.1"


def _is_bound(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def test_a_second_sender_is_not_mixed_in(listen: Listen, sender: socket.socket) -> None:
    """While one host sends, another is ignored."""
    port = free_port()
    listener = listen(f"udp://127.0.0.1:{port}")
    listener.collect_until(lambda: _is_bound(port))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        for _ in range(10):
            sender.sendto(np.full(800, 1000, "<i2").tobytes(), ("127.0.0.1", port))
            other.sendto(np.full(800, -1000, "<i2").tobytes(), ("127.0.0.1", port))
    listener.collect_until(lambda: listener.samples.size == 8000)
    assert np.unique(listener.samples).size == 1


def test_a_restarted_sensor_is_accepted_soon(sender: socket.socket) -> None:
    """The same host on another port is accepted after 0.3 s, sooner than another host."""
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
def test_a_port_without_a_host_accepts_both_kinds_of_address(
    family: socket.AddressFamily, address: str, host: str
) -> None:
    """IPv4 and IPv6 are accepted, and an IPv4 sender has its usual address."""
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
    """A read returns little more than a second, so that an excess can be dropped."""
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


def test_a_port_in_use_is_unavailable(listen: Listen, sender: socket.socket) -> None:
    """If another program uses the port, the source is offline with a remedy."""
    sender.bind(("127.0.0.1", 0))
    port = sender.getsockname()[1]
    listener = listen(f"udp://127.0.0.1:{port}")
    listener.collect_until(lambda: "cannot be opened" in listener.runner.stats().detail)
    assert listener.runner.stats().detail.endswith("choose a free port")
    assert listener.runner.stats().state is SourceState.OFFLINE


@pytest.mark.parametrize("host", ["192.0.2.7", 250 * "x."])
def test_an_address_of_another_machine_has_its_own_remedy(host: str) -> None:
    """For a foreign address or an unknown name, the remedy is another address."""
    with pytest.raises(SourceUnavailable, match="name an address of this machine, or leave it out"):
        UdpSource(UdpSpec("udp", host, free_port())).open()


def test_a_quiet_port_is_offline_and_stays_open(
    listen: Listen, sender: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a sender the source is offline; with the next datagram it is online, after a gap."""
    monkeypatch.setattr(UdpSource, "stall_s", 0.3)
    port = free_port()
    listener = listen(f"udp://127.0.0.1:{port}")
    listener.collect_until(lambda: _is_bound(port))
    sender.sendto(bytes(1600), ("127.0.0.1", port))
    listener.collect_until_state(SourceState.ONLINE)
    listener.collect_until(lambda: "no sound came" in listener.runner.stats().detail)
    sender.sendto(bytes(1600), ("127.0.0.1", port))
    assert listener.collect_until_state(SourceState.ONLINE) < 1
    listener.collect_until(lambda: listener.samples.size == 1600)
    assert len(listener.gaps) == 1
