"""MPEG audio: every frame is decoded, with any header and from any position."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile as sf

from edge.audio.decode.mpeg import MpegError, find_mpeg_runs
from edge.audio.decode.mpeg_frame import list_frame_sizes, parse_family
from edge.audio.decode.recording import open_recording
from edge.errors import BrokenAudio, DataError, NotAudio, TooLarge

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECONDS = 3.0
ID3 = b"ID3\x04\x00\x00" + bytes([0, 0, 2, 10]) + bytes(266)


def encode(rate_hz: int = 16_000, channels: int = 1, mode: str = "CONSTANT") -> bytes:
    """Return an MP3 file with a Xing header."""
    quiet_then_loud = np.linspace(0, 0.5, round(SECONDS * rate_hz)) ** 4
    noise = np.random.default_rng(0).normal(0, 1, (quiet_then_loud.size, channels)) * quiet_then_loud[:, None]
    file = io.BytesIO()
    sf.write(file, noise, rate_hz, format="MP3", subtype="MPEG_LAYER_III", bitrate_mode=mode, compression_level=0.3)
    return file.getvalue()


def split_frames(data: bytes) -> list[bytes]:
    """Return the frames of a file; the first is the header."""
    frames, position = [], 0
    while position < len(data):
        family = parse_family(data[position : position + 4])
        assert family is not None
        size = list_frame_sizes(family)[data[position : position + 3]]
        frames.append(data[position : position + size])
        position += size
    return frames


def measure_s(data: bytes, max_s: float | None = None) -> float:
    """Return the decoded seconds of a file."""
    with open_recording(io.BytesIO(data), max_s=max_s) as recording:
        return sum(block.size for block in recording.blocks(16_000)) / 16_000


MADE = encode()
HEADER, *FRAMES = split_frames(MADE)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 32_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_without_a_header_all_is_decoded(rate_hz: int, channels: int, mode: str) -> None:
    """It holds for every rate and bit rate, even if the first frame differs from the others."""
    _, *frames = split_frames(encode(rate_hz, channels, mode))
    assert measure_s(b"".join(frames)) == pytest.approx(SECONDS, abs=0.15)


@pytest.mark.parametrize(
    "made",
    [
        lambda: FRAMES[3][100:] + b"".join(FRAMES[4:]),
        lambda: bytes(5_000) + MADE,
        lambda: b"HTTP/1.0 200 OK\r\nicy-name: radio\r\n\r\n" + MADE,
        lambda: ID3 + ID3 + MADE,
        lambda: ID3 + bytes(700) + b"".join(FRAMES),
        lambda: MADE + b"TAG" + bytes(125),
        lambda: b"".join(FRAMES[:40]) + ID3 + b"".join(FRAMES[40:]),
        lambda: b"".join(FRAMES[:40]) + b"\xff\xfb\x90" * 50 + b"".join(FRAMES[40:]),
    ],
    ids=["mid-frame", "zeros", "http", "tags", "tag, gap", "tag behind", "tag between", "rubbish between"],
)
def test_other_bytes_are_skipped(made: Callable[[], bytes]) -> None:
    """Bytes before, between and after frames are skipped."""
    assert measure_s(made()) == pytest.approx(SECONDS, abs=0.25)


def test_several_files_in_a_row_are_all_decoded() -> None:
    """Each may have its own header, tag and rate."""
    assert measure_s(MADE + MADE) == pytest.approx(2 * SECONDS, abs=0.05)
    assert measure_s(ID3 + MADE + ID3 + MADE) == pytest.approx(2 * SECONDS, abs=0.05)
    assert measure_s(MADE + encode(44_100, 2) + b"".join(FRAMES)) == pytest.approx(3 * SECONDS, abs=0.15)


def test_the_number_of_frames_is_checked() -> None:
    """A missing half or a hole is refused; a twentieth may be missing."""
    for part, words in ((MADE[: len(MADE) // 2], "cut off"), (HEADER + b"".join(FRAMES[:20] + FRAMES[60:]), "cut off")):
        with pytest.raises(BrokenAudio, match=f"is {words}: it holds"):
            measure_s(part)
    with pytest.raises(BrokenAudio, match="is damaged: it holds"):
        measure_s(HEADER + b"".join(FRAMES[:20]) + bytes(6_000) + b"".join(FRAMES[60:]))
    assert measure_s(MADE[: len(MADE) * 95 // 100]) == pytest.approx(0.95 * SECONDS, abs=0.1)


@pytest.mark.parametrize(
    ("rubbish", "error"),
    [
        (b"\xff\xfb\x90\x00" * 5_000_000, DataError),
        (b"ID3\x03\x00\x00\x00\x00\x00\x00" * 2_000_000, DataError),
        (b"".join([*FRAMES[:4], b"-"]) * 11_000, DataError),
        (MADE * 500, TooLarge),
        (bytes(20_000_000), NotAudio),
    ],
    ids=["accidents", "tags", "pieces", "long", "zeros"],
)
def test_a_hostile_file_is_refused_at_once(rubbish: bytes, error: type[Exception]) -> None:
    """Many apparent frames take little time, for the search and for decoding."""
    begin = time.process_time()
    with pytest.raises(error):
        measure_s(rubbish, max_s=100.0)
    assert time.process_time() - begin < 3.0


def test_scattered_frames_are_an_error_of_their_own() -> None:
    """The search for frames ends with an error."""
    data = b"".join([*FRAMES[:4], b"-"]) * 11_000
    with pytest.raises(MpegError, match="too many parts"):
        find_mpeg_runs(io.BytesIO(data), len(data), 0, 1e9)


def test_libraries_do_not_write_to_the_terminal(tmp_path: Path) -> None:
    """The messages of libmpg123 about a damaged MP3 are suppressed, in all threads, but not the log."""
    damaged = bytearray(MADE)
    for place in np.random.default_rng(5).integers(400, len(MADE), 200):
        damaged[place] ^= 0x55
    (tmp_path / "damaged.mp3").write_bytes(damaged)
    program = """
import contextlib, pathlib, sys, threading
import edge.audio.decode.sndfile
from edge.audio.decode.recording import open_recording
from edge.errors import DataError
if sys.argv[2] == "loud":
    edge.audio.decode.sndfile.silence_stderr = contextlib.nullcontext
def decode():
    for _ in range(5):
        with contextlib.suppress(DataError), open_recording(pathlib.Path(sys.argv[1])) as recording:
            list(recording.blocks(16000))
threads = [threading.Thread(target=decode) for _ in range(3)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print("the log", file=sys.stderr)
"""
    said = {}
    for how in ("quiet", "loud"):
        command = [sys.executable, "-c", program, str(tmp_path / "damaged.mp3"), how]
        said[how] = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stderr.splitlines()
    assert said["quiet"] == ["the log"]
    assert len(said["loud"]) > 1


def test_a_vbri_header_is_checked() -> None:
    """The VBRI header of the Fraunhofer encoder has the number of frames, and no sound."""
    head = bytearray(HEADER)
    head[4:] = bytes(len(head) - 4)
    struct.pack_into(">4sHHHII", head, 36, b"VBRI", 1, 0, 0, len(MADE), len(FRAMES))
    assert measure_s(bytes(head) + b"".join(FRAMES)) == pytest.approx(SECONDS, abs=0.15)
    with pytest.raises(BrokenAudio, match="cut off"):
        measure_s(bytes(head) + b"".join(FRAMES[: len(FRAMES) // 2]))
