"""Network streams through ffmpeg: servers and cameras."""

from __future__ import annotations

import functools
import http.server
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile as sf

from edge.audio.sources.ffmpeg import FfmpegSource
from edge.audio.sources.source import StreamEnded
from edge.errors import SourceUnavailable
from edge.settings.source_spec import UrlSpec
from edge.types import SourceState
from tests.audio.listener import RATE, Listener
from tests.support.camera import Camera

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    Listen: TypeAlias = Callable[..., Listener]

NO_HOST = 64 * "x"  # longer than a name may be, so that no server is asked for it


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """Serve files with a second of a 1 kHz tone; return the address."""
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(44_100) / 44_100)
    sf.write(tmp_path / "tone.flac", np.column_stack((tone, tone)), 44_100)
    sf.write(tmp_path / "opposite.flac", np.column_stack((tone, -tone)), 44_100)
    (tmp_path / "notes.txt").write_text("no sound")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            """Log nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.ffmpeg
def test_a_stream_by_http_is_heard(listen: Listen, site: str) -> None:
    """All of it is delivered as mono at the front end's rate."""
    listener = listen(f"{site}/tone.flac")
    listener.collect_until(lambda: listener.samples.size >= RATE)
    sound = listener.samples[:RATE]
    assert np.argmax(np.abs(np.fft.rfft(sound))) == 1000
    assert np.sqrt(np.square(sound).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)
    assert listener.runner.stats().rate_hz == 44_100


@pytest.mark.ffmpeg
def test_a_stream_whose_channels_cancel_each_other_is_heard(listen: Listen, site: str) -> None:
    """Ffmpeg delivers the channels separately, so that one of them can be used."""
    listener = listen(f"{site}/opposite.flac")
    listener.collect_until(lambda: listener.samples.size >= 0.8 * RATE)
    assert "channel 1 of 2 alone is heard" in listener.runner.stats().detail
    sound = listener.samples[RATE // 10 : RATE // 10 * 8]
    assert np.sqrt(np.square(sound).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)


@pytest.mark.ffmpeg
def test_a_recording_by_http_is_heard_once_at_its_own_pace(listen: Listen, site: str) -> None:
    """It is read in real time, and at its end the source is offline."""
    listener = listen(f"{site}/tone.flac")
    listener.collect_until(lambda: listener.samples.size > 0)
    took_s = listener.collect_until(lambda: listener.runner.stats().detail == "end of stream")
    listener.blocks += listener.runner.take()
    assert 0.6 < took_s < 3
    assert listener.samples.size == pytest.approx(RATE, abs=10)
    assert listener.runner.stats().state is SourceState.OFFLINE
    assert not listener.runner.stats().finished


@pytest.mark.ffmpeg
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"http://{NO_HOST}/a.mp3", "resolve hostname xxx"),
        (f"rtsp://{NO_HOST}/1", "resolve hostname xxx"),
        ("https://127.0.0.1:{port}/tone.flac", "TLS packet"),
    ],
)
def test_the_message_of_the_failed_component_is_shown(listen: Listen, site: str, url: str, reason: str) -> None:
    """The last line of ffmpeg is "Input/output error" for every failed connection."""
    listener = listen(url.format(port=site.rpartition(":")[2]))
    listener.collect_until(lambda: reason in listener.runner.stats().detail)


@pytest.mark.ffmpeg
@pytest.mark.parametrize("path", ["none.flac", "notes.txt"])
def test_the_message_of_ffmpeg_is_shown(listen: Listen, site: str, path: str) -> None:
    """A missing stream, or one without sound, is offline with ffmpeg's message, without the password."""
    listener = listen(site.replace("://", "://me:hunter2@") + f"/{path}")
    listener.collect_until(lambda: "ffmpeg says" in listener.runner.stats().detail)
    stats = listener.runner.stats()
    assert stats.state is SourceState.OFFLINE
    assert "hunter2" not in stats.detail + stats.spec


def test_without_ffmpeg_the_remedy_is_shown(listen: Listen) -> None:
    """The error names the program and its package."""
    opener = functools.partial(FfmpegSource, program="no-such-ffmpeg")
    listener = listen("rtsp://me:pw@camera/1", opener=lambda spec, rate_hz: opener(spec))
    listener.collect_until(lambda: "not installed; apt install ffmpeg" in listener.runner.stats().detail)
    assert "pw" not in listener.runner.stats().detail


def make_fake_ffmpeg(folder: Path, body: str) -> str:
    """Write a program that replaces ffmpeg; return its path."""
    path = folder / "ffmpeg"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def read_until(source: FfmpegSource, reached: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Read until a condition is true; errors of the source are raised."""
    deadline = time.monotonic() + timeout_s
    while not reached():
        assert time.monotonic() < deadline
        source.read()


def test_a_stream_that_stalls_is_lost_and_leaves_no_process(tmp_path: Path) -> None:
    """No data for the allowed time is a loss; a program that ignores the signal is killed."""
    program = make_fake_ffmpeg(tmp_path, "trap '' TERM\nwhile :; do sleep 1; done")
    source = FfmpegSource(UrlSpec("http://***@x", "http://x"), program, stall_s=0.3)
    source.open()
    process = source._process
    assert process is not None
    with pytest.raises(SourceUnavailable, match=r"http://\*\*\*@x: the source has sent nothing for 0.3 s"):
        read_until(source, lambda: False)
    source.close()
    assert process.returncode is not None


def test_a_header_may_come_in_pieces(tmp_path: Path) -> None:
    """The rate is read once the header is complete, and the samples begin after it."""
    head = r"printf '.snd\000\000\000\034\377\377'; sleep 0.1; printf '\377\377\000\000\000\003\000\000\037'"
    rest = r"sleep 0.1; printf '\100\000\000\000\001note\100\000\300\000'"
    source = FfmpegSource(UrlSpec("x", "http://x"), make_fake_ffmpeg(tmp_path, f"{head}; {rest}; sleep 5"))
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
    """A server may end cleanly; the end of a camera is a loss."""
    source = FfmpegSource(UrlSpec(url, url), make_fake_ffmpeg(tmp_path, body))
    source.open()
    with pytest.raises(SourceUnavailable) as ended:
        read_until(source, lambda: False)
    source.close()
    assert type(ended.value) is error
    assert "0x5" not in str(ended.value)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_is_read_at_the_pace_of_the_sound(scheme: str) -> None:
    """A recording on a server is read in real time."""
    command = FfmpegSource(UrlSpec("x", f"{scheme}://x"))._build_command()
    assert command.index("-re") < command.index("-i")


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps"])
def test_a_camera_is_asked_by_tcp_and_never_waits(tmp_path: Path, scheme: str) -> None:
    """A camera sends by TCP, without loss, and late samples are dropped here."""
    source = FfmpegSource(UrlSpec("x", f"{scheme}://x"))
    command = source._build_command()
    assert command[command.index("-rtsp_transport") + 1] == "tcp"
    assert command.index("-rtsp_transport") < command.index("-i")
    assert command[command.index("-allowed_media_types") + 1] == "audio"
    assert "-re" not in command
    assert source.live
    assert not FfmpegSource(UrlSpec("x", "http://x")).live


@pytest.mark.ffmpeg
def test_only_the_sound_of_a_camera_is_requested(listen: Listen) -> None:
    """Late or missing video does not delay the sound."""
    with Camera() as camera:
        listener = listen(camera.url)
        assert listener.collect_until(lambda: listener.samples.size > 0) < 4
        assert camera.tracks == ["audio"]


@pytest.mark.ffmpeg
def test_a_camera_without_sound_is_told_from_a_broken_one(listen: Listen) -> None:
    """The error has a remedy for the user, not ffmpeg's hint for its command line."""
    with Camera(sound=False) as camera:
        listener = listen(camera.url)
        listener.collect_until(lambda: "has no sound; switch the audio" in listener.runner.stats().detail)


@pytest.mark.ffmpeg
def test_a_video_without_sound_has_the_same_error(listen: Listen, site: str, tmp_path: Path) -> None:
    """A recording on a server without sound has the error of such a camera."""
    make = ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc=d=1:s=32x32", str(tmp_path / "mute.mkv")]
    subprocess.run(make, check=True, capture_output=True)
    listener = listen(f"{site}/mute.mkv")
    listener.collect_until(lambda: "has no sound; switch the audio" in listener.runner.stats().detail)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (["Stream map '0:a:0' matches no streams.", "To ignore this, add a trailing '?' to the map."], "no sound"),
        (["Stream map '' matches no streams.", "Error opening output files: Invalid argument"], "no sound"),
        (["Output file does not contain any stream"], "no sound"),
        (["[tcp @ 0x55] Connection refused", "Exiting normally, received signal 15."], "'[tcp] Connection refused'"),
        (["rtsp://me:hunter2@x/1: 401", "Conversion failed!"], "'rtsp://***@x/1: 401'"),
        (["Conversion failed!"], "'Conversion failed!'"),
        (["[tcp @ 0x5] Failed to resolve hostname x", "rtsp://x: Input/output error"], "'[tcp] Failed to resolve"),
        (["[tls @ 0x5] Bad", "[in#0 @ 0x6] Error opening input: Input/output error"], "'[tls] Bad'"),
        (["[mp3 @ 0x5] Header missing", "rtsp://x: Input/output error"], "'rtsp://x: Input/output error'"),
        (["[in#0 @ 0x5] Error opening input: 404", "Error opening input file rtsp://x."], "Error opening input: 404'"),
        (["rtsp://x: Input/output error"], "'rtsp://x: Input/output error'"),
        (["tcp: rtsp://me:hunter2@x refused", "Error opening input files: Invalid argument"], "rtsp://***@x refused"),
    ],
)
def test_the_line_that_holds_the_reason_is_found(tmp_path: Path, said: list[str], reason: str) -> None:
    """General lines after the reason are skipped."""
    body = "; ".join(f'echo "{line}" >&2' for line in said)
    source = FfmpegSource(UrlSpec("rtsp://x", "rtsp://x"), make_fake_ffmpeg(tmp_path, f"{body}; exit 1"))
    source.open()
    with pytest.raises(SourceUnavailable) as ended:
        read_until(source, lambda: False)
    source.close()
    assert reason in str(ended.value)


def test_the_memory_for_error_output_is_bounded(tmp_path: Path) -> None:
    """Much error output does not block the program, and only the last part is kept."""
    loop = "i=0; while [ $i -lt 5000 ]; do echo line $i of a damaged stream >&2; i=$((i + 1)); done"
    source = FfmpegSource(UrlSpec("x", "http://x"), make_fake_ffmpeg(tmp_path, f"{loop}; exit 1"))
    source.open()
    with pytest.raises(SourceUnavailable, match="line 4999 of"):
        read_until(source, lambda: False)
    assert len(source._error_output._kept) <= 4096
    source.close()


@pytest.mark.setpriv
def test_no_program_outlives_a_node_that_was_killed(tmp_path: Path) -> None:
    """A program that hangs is killed together with the node."""
    program = make_fake_ffmpeg(tmp_path, f"echo $$ > {tmp_path}/pid; exec sleep 600")
    lines = [
        "from edge.audio.sources.ffmpeg import FfmpegSource",
        "from edge.settings.source_spec import UrlSpec",
        f"source = FfmpegSource(UrlSpec('x', 'http://x'), {program!r})",
        "source.open()",
        "while True: source.read()",
    ]
    node = subprocess.Popen([sys.executable, "-c", "\n".join(lines)])
    deadline = time.monotonic() + 20
    while not (tmp_path / "pid").exists() or not (pid := (tmp_path / "pid").read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    node.kill()
    node.wait()
    while _is_running(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _is_running(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
