"""Sound from standard input, from the network and from ffmpeg."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import socket
import stat
import sys
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile as sf

from edge.audio.ffmpeg import FfmpegSource
from edge.audio.pcm import PcmSource
from edge.audio.source import StreamEnded
from edge.audio.spec import PcmSpec, UrlSpec
from edge.audio.udp import UdpSource
from edge.errors import SourceUnavailable
from edge.types import SourceState
from tests.audio.listener import RATE, Listener
from tests.support.node import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import TypeAlias

    Listen: TypeAlias = Callable[..., Listener]

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
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
    assert listener.runner.stats().detail == "end of input"


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


def test_a_port_in_use_is_said(listen: Listen, sender: socket.socket) -> None:
    """Another program on the port is no crash, and when it goes the source comes."""
    sender.bind(("127.0.0.1", 0))
    port = sender.getsockname()[1]
    listener = listen(f"udp://127.0.0.1:{port}")
    listener.until(lambda: "cannot be listened on" in listener.runner.stats().detail)
    assert listener.runner.stats().state is SourceState.OFFLINE


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


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """Serve a folder with a second of a 1 kHz tone; return its address."""
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(44_100) / 44_100)
    sf.write(tmp_path / "tone.flac", np.column_stack((tone, tone)), 44_100)
    sf.write(tmp_path / "opposite.flac", np.column_stack((tone, -tone)), 44_100)
    (tmp_path / "notes.txt").write_text("no sound")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@needs_ffmpeg
def test_a_stream_by_http_is_heard(listen: Listen, site: str) -> None:
    """It is fetched by ffmpeg, at its own rate; all of it comes through, mono, at the front end's rate."""
    listener = listen(f"{site}/tone.flac")
    listener.until(lambda: listener.samples.size >= RATE)
    sound = listener.samples[:RATE]
    assert np.argmax(np.abs(np.fft.rfft(sound))) == 1000
    assert np.sqrt(np.square(sound).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)
    assert listener.runner.stats().rate_hz == 44_100


@needs_ffmpeg
def test_a_stream_whose_channels_cancel_each_other_is_heard(listen: Listen, site: str) -> None:
    """Its channels come apart from each other, so that one of them can be taken; the source's state says so."""
    listener = listen(f"{site}/opposite.flac")
    listener.until(lambda: listener.samples.size >= 0.8 * RATE)
    assert "channel 1 of 2 alone is heard" in listener.runner.stats().detail
    sound = listener.samples[RATE // 10 : RATE // 10 * 8]
    assert np.sqrt(np.square(sound).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)


@needs_ffmpeg
def test_a_recording_by_http_is_heard_once_at_its_own_pace(listen: Listen, site: str) -> None:
    """It takes as long as it sounds, and at its end the source rests."""
    listener = listen(f"{site}/tone.flac")
    listener.until(lambda: listener.samples.size > 0)
    took_s = listener.until(lambda: listener.runner.stats().detail == "end of stream")
    listener.blocks += listener.runner.take()
    assert 0.6 < took_s < 3
    assert listener.samples.size == pytest.approx(RATE, abs=10)
    assert listener.runner.stats().state is SourceState.OFFLINE
    assert not listener.runner.stats().finished


@needs_ffmpeg
@pytest.mark.parametrize("path", ["none.flac", "notes.txt"])
def test_what_ffmpeg_complains_of_is_said(listen: Listen, site: str, path: str) -> None:
    """A stream that is not there, or is none: offline, in ffmpeg's own words, without the password."""
    listener = listen(site.replace("://", "://me:hunter2@") + f"/{path}")
    listener.until(lambda: "ffmpeg says" in listener.runner.stats().detail)
    stats = listener.runner.stats()
    assert stats.state is SourceState.OFFLINE
    assert "hunter2" not in stats.detail + stats.spec


def test_without_ffmpeg_it_is_said_what_to_install(listen: Listen) -> None:
    """The program is named, and how to get it; nothing crashes."""
    opener = functools.partial(FfmpegSource, program="no-such-ffmpeg")
    listener = listen("rtsp://me:pw@camera/1", opener=lambda spec, rate_hz: opener(spec))
    listener.until(lambda: "not installed; apt install ffmpeg" in listener.runner.stats().detail)
    assert "pw" not in listener.runner.stats().detail


def fake_ffmpeg(folder: Path, body: str) -> str:
    """Write a program that takes ffmpeg's place."""
    path = folder / "ffmpeg"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def read_until(source: FfmpegSource, reached: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Read until something is true; errors of the source come through."""
    deadline = time.monotonic() + timeout_s
    while not reached():
        assert time.monotonic() < deadline
        source.read()


def test_a_stream_that_stalls_is_lost_and_leaves_no_process(tmp_path: Path) -> None:
    """Nothing for the time allowed is a loss; a program that will not end is ended."""
    program = fake_ffmpeg(tmp_path, "trap '' TERM\nwhile :; do sleep 1; done")
    source = FfmpegSource(UrlSpec("http://***@x", "http://x"), program, stall_s=0.3)
    source.open()
    process = source._process
    assert process is not None
    with pytest.raises(SourceUnavailable, match=r"http://\*\*\*@x sends nothing for 0.3 s"):
        read_until(source, lambda: False)
    source.close()
    assert process.returncode is not None


def test_a_header_in_pieces_is_put_together(tmp_path: Path) -> None:
    """The rate is read from however many pieces the head comes in; the samples begin after it."""
    head = r"printf '.snd\000\000\000\034\377\377'; sleep 0.1; printf '\377\377\000\000\000\003\000\000\037'"
    rest = r"sleep 0.1; printf '\100\000\000\000\001note\100\000\300\000'"
    source = FfmpegSource(UrlSpec("x", "http://x"), fake_ffmpeg(tmp_path, f"{head}; {rest}; sleep 5"))
    source.open()
    heard: list[float] = []
    deadline = time.monotonic() + 10
    while len(heard) < 2 and time.monotonic() < deadline:
        chunk = source.read()
        assert chunk is not None
        heard += chunk.samples.tolist()
    source.close()
    assert (heard, source.rate_hz) == ([0.5, -0.5], 8_000)


AU_HEAD = r"printf '.snd\000\000\000\030\377\377\377\377\000\000\000\003\000\000\037\100\000\000\000\001'"


@pytest.mark.parametrize(
    ("body", "url", "error"),
    [
        (AU_HEAD, "http://x", StreamEnded),
        (f"{AU_HEAD}; echo '[mp3float @ 0x5] Header missing' >&2", "https://x", StreamEnded),
        (f"{AU_HEAD}; echo 'http://x: Connection reset by peer' >&2", "http://x", SourceUnavailable),
        (f"{AU_HEAD}; echo '[in#0 @ 0x5] Error during demuxing: I/O error' >&2", "http://x", SourceUnavailable),
        (f"{AU_HEAD}; exit 1", "http://x", SourceUnavailable),
        ("exit 0", "http://x", SourceUnavailable),
        (AU_HEAD, "rtsp://x", SourceUnavailable),
    ],
)
def test_a_clean_end_is_told_from_a_loss(tmp_path: Path, body: str, url: str, error: type[Exception]) -> None:
    """A server that had no more to send is no broken connection; a camera has no end."""
    source = FfmpegSource(UrlSpec(url, url), fake_ffmpeg(tmp_path, body))
    source.open()
    with pytest.raises(SourceUnavailable) as ended:
        read_until(source, lambda: False)
    source.close()
    assert type(ended.value) is error
    assert "0x5" not in str(ended.value)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_is_read_at_the_pace_of_the_sound(scheme: str) -> None:
    """A recording is not swallowed as fast as the network allows."""
    command = FfmpegSource(UrlSpec("x", f"{scheme}://x"))._command()
    assert command.index("-re") < command.index("-i")


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps"])
def test_a_camera_is_asked_by_tcp_and_never_waits(tmp_path: Path, scheme: str) -> None:
    """Packets of a camera are not lost on the way; what is not taken in time is dropped here."""
    source = FfmpegSource(UrlSpec("x", f"{scheme}://x"))
    command = source._command()
    assert command[command.index("-rtsp_transport") + 1] == "tcp"
    assert command.index("-rtsp_transport") < command.index("-i")
    assert "-re" not in command
    assert source.live
    assert not FfmpegSource(UrlSpec("x", "http://x")).live
