"""Formats that libsndfile does not read: decoded by ffmpeg, or refused with a remedy."""

from __future__ import annotations

import io
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from edge.audio.decode.convert import ConvertedReader
from edge.audio.decode.recording import open_recording
from edge.errors import BrokenAudio, NotAudio, TooLarge

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.ffmpeg

SECONDS = 2.0
PICTURE = "-f lavfi -i testsrc=d=2:s=64x64"
MADE = {
    "memo.m4a": "-c:a aac",
    "lossless.m4a": "-c:a alac",
    "browser.webm": "-c:a libopus",
    "camera.mp4": f"{PICTURE} -c:v mpeg4 -c:a aac",
    "theora.ogv": f"{PICTURE} -c:v libtheora -c:a libvorbis",
    "flac.oga": "-c:a flac",
    "speech.spx": "-c:a libspeex",
    "lossless.caf": "-c:a alac",
    "windows.wma": "-c:a wmav2",
    "radio.aac": "-c:a aac",
    "camera.wav": "-c:a ac3",
    "lossless.wav": "-c:a flac",
    "windows.w64": "-c:a wmav2",
}
LONGER, LONGER_PICTURE = 6.0, PICTURE.replace("d=2", "d=6")
COVER = f"{LONGER_PICTURE} -map 0:a -map 1:v -c:v mjpeg -frames:v 1 -disposition:v attached_pic"
WITHOUT_A_LENGTH = {
    "camera.mp4": f"{LONGER_PICTURE} -c:v mpeg4 -c:a aac -movflags +faststart",
    "cover.m4a": f"{COVER} -c:a aac -movflags +faststart",
    "camera.mkv": f"{LONGER_PICTURE} -c:v mpeg4 -c:a libopus",
    "windows.wma": "-c:a wmav2",
}


def make_file(path: Path, options: str, seconds: float = SECONDS) -> Path:
    """Write some seconds of stereo noise with ffmpeg; return the path."""
    sound = f"-f lavfi -i anoisesrc=r=32000:a=0.1:d={seconds}"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", *f"{sound} {options} -ac 2".split(), str(path)], check=True, timeout=60
    )
    return path


def measure_s(source: Path | io.BytesIO, max_s: float | None = None) -> float:
    """Return the decoded seconds of a file."""
    with open_recording(source, max_s=max_s) as recording:
        return sum(block.size for block in recording.blocks(16_000)) / 16_000


@pytest.mark.parametrize("name", list(MADE))
def test_a_foreign_format_is_decoded_by_ffmpeg_or_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is decoded as a file and as an upload; without ffmpeg the error names it."""
    path = make_file(tmp_path / name, MADE[name])
    with open_recording(path, max_s=60.0) as recording:
        assert (recording.rate_hz, recording.channels) == (32_000, 2) if "webm" not in name else (48_000, 2)
        assert all(block.size for block in recording.blocks(16_000))
        assert recording.remark == ""
    assert measure_s(path) == pytest.approx(SECONDS, abs=0.1)
    assert measure_s(io.BytesIO(path.read_bytes())) == pytest.approx(SECONDS, abs=0.1)
    with pytest.raises(TooLarge, match="longer than the 1 s allowed"):
        measure_s(path, max_s=1.0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        NotAudio, match=rf"^{path}: the file is .+, which only ffmpeg can read; apt install ffmpeg, or convert"
    ):
        open_recording(path)


def test_half_a_recording_is_refused(tmp_path: Path) -> None:
    """The length from ffmpeg is checked; an MPEG-4 file without its index has no sound."""
    for name in ("browser.webm", "flac.oga", "lossless.caf"):
        data = make_file(tmp_path / name, MADE[name]).read_bytes()
        with pytest.raises(BrokenAudio, match="is cut off"):
            measure_s(io.BytesIO(data[: len(data) // 2]))
    data = make_file(tmp_path / "memo.m4a", MADE["memo.m4a"]).read_bytes()
    with pytest.raises(BrokenAudio, match="finds no sound in the file"):
        measure_s(io.BytesIO(data[: len(data) // 2]))


@pytest.mark.parametrize("name", list(WITHOUT_A_LENGTH))
def test_half_of_a_file_with_a_picture_or_an_estimated_length_is_refused(name: str, tmp_path: Path) -> None:
    """Without an exact length, the message of ffmpeg about a truncated file decides."""
    data = make_file(tmp_path / name, WITHOUT_A_LENGTH[name], seconds=LONGER).read_bytes()
    assert measure_s(io.BytesIO(data)) == pytest.approx(LONGER, abs=0.1)
    with pytest.raises(BrokenAudio, match=r"is cut off: it holds (4\d|50)% of"):
        measure_s(io.BytesIO(data[: len(data) // 2]))
    with open_recording(io.BytesIO(data[: len(data) * 95 // 100])) as recording:
        assert sum(block.size for block in recording.blocks(16_000)) / 16_000 == pytest.approx(LONGER * 0.95, abs=0.2)
        assert re.fullmatch(r"it is cut off or damaged: 9[3-6]% of it is heard", recording.remark)


def test_an_estimated_length_is_ignored(tmp_path: Path) -> None:
    """Bytes after the sound, and a header written to a pipe, make the estimate too long."""
    data = make_file(tmp_path / "windows.wma", "-c:a wmav2").read_bytes()
    piped = make_file(tmp_path / "piped.wma", "-c:a wmav2 -f asf -seekable 0").read_bytes()
    for whole in (data + bytes(20_000), data + data, piped):
        assert measure_s(io.BytesIO(whole), max_s=2.5) == pytest.approx(SECONDS, abs=0.1)


def test_a_video_without_sound_is_refused(tmp_path: Path) -> None:
    """The error says that ffmpeg finds no sound."""
    path = tmp_path / "silent.mp4"
    subprocess.run(["ffmpeg", "-v", "error", *PICTURE.split(), "-c:v", "mpeg4", str(path)], check=True, timeout=60)
    with pytest.raises(BrokenAudio, match=r"ffmpeg finds no sound in the file, which is MPEG-4 \(m4a, mp4\)"):
        open_recording(path)


def test_no_other_file_is_opened(tmp_path: Path) -> None:
    """A playlist is not a recording, and its files are not opened."""
    sound = make_file(tmp_path / "sound.wav", "")
    for playlist in (f"ffconcat version 1.0\nfile {sound}\n", f"#EXTM3U\n#EXTINF:2,\n{sound}\n"):
        with pytest.raises(NotAudio):
            measure_s(io.BytesIO(playlist.encode()))


def test_ffmpeg_ends_with_the_recording(tmp_path: Path) -> None:
    """Closing a recording before its end leaves no process."""
    path = make_file(tmp_path / "memo.m4a", MADE["memo.m4a"])
    recording = open_recording(path)
    reader = recording._first
    assert isinstance(reader, ConvertedReader)
    process = reader._process
    next(recording.blocks(16_000))
    recording.close()
    assert process.returncode is not None


def test_a_damaged_ogg_is_not_reported_as_an_unknown_codec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With complete pages, libsndfile gives the same error for damage and for video before the sound."""
    data = bytearray(make_file(tmp_path / "sound.ogg", "-c:a libvorbis").read_bytes())
    data[1000:1040] = bytes(40)  # in the setup headers of the decoder
    with pytest.raises(
        BrokenAudio, match="ffmpeg finds no sound in the file, which is OGG that libsndfile cannot open"
    ):
        measure_s(io.BytesIO(data))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotAudio, match="is OGG that libsndfile cannot open, which only ffmpeg can read"):
        measure_s(io.BytesIO(data))
