"""What libsndfile does not read: decoded by ffmpeg where it is, and else said with what to do."""

from __future__ import annotations

import io
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from edge.audio.decode.clip import open_clip
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


def made(path: Path, options: str, seconds: float = SECONDS) -> Path:
    """Return a file that ffmpeg made of some seconds of stereo noise."""
    sound = f"-f lavfi -i anoisesrc=r=32000:a=0.1:d={seconds}"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", *f"{sound} {options} -ac 2".split(), str(path)], check=True, timeout=60
    )
    return path


def heard_s(source: Path | io.BytesIO, max_s: float | None = None) -> float:
    """Return how many seconds of a file are heard."""
    with open_clip(source, max_s=max_s) as clip:
        return sum(block.size for block in clip.blocks(16_000)) / 16_000


@pytest.mark.parametrize("name", list(MADE))
def test_it_is_heard_through_ffmpeg_or_said(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a file and as an upload; without ffmpeg one sentence names it."""
    path = made(tmp_path / name, MADE[name])
    with open_clip(path, max_s=60.0) as clip:
        assert (clip.rate_hz, clip.channels) == (32_000, 2) if "webm" not in name else (48_000, 2)
        assert all(block.size for block in clip.blocks(16_000))
        assert clip.remark == ""
    assert heard_s(path) == pytest.approx(SECONDS, abs=0.1)
    assert heard_s(io.BytesIO(path.read_bytes())) == pytest.approx(SECONDS, abs=0.1)
    with pytest.raises(TooLarge, match="longer than the 1 s allowed"):
        heard_s(path, max_s=1.0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        NotAudio, match=rf"^{path}: the file is .+, which only ffmpeg can read; apt install ffmpeg, or convert"
    ):
        open_clip(path)


def test_half_a_recording_is_refused(tmp_path: Path) -> None:
    """The length that ffmpeg reads is a promise as any other; a file that lacks its table says nothing at all."""
    for name in ("browser.webm", "flac.oga", "lossless.caf"):
        data = made(tmp_path / name, MADE[name]).read_bytes()
        with pytest.raises(BrokenAudio, match="is cut off"):
            heard_s(io.BytesIO(data[: len(data) // 2]))
    data = made(tmp_path / "memo.m4a", MADE["memo.m4a"]).read_bytes()
    with pytest.raises(BrokenAudio, match="finds no sound in the file"):
        heard_s(io.BytesIO(data[: len(data) // 2]))


@pytest.mark.parametrize("name", list(WITHOUT_A_LENGTH))
def test_half_of_what_has_a_picture_or_no_exact_length_is_refused(name: str, tmp_path: Path) -> None:
    """A length that is also a picture's, or that ffmpeg guesses, tells nothing; that the file breaks off does."""
    data = made(tmp_path / name, WITHOUT_A_LENGTH[name], seconds=LONGER).read_bytes()
    assert heard_s(io.BytesIO(data)) == pytest.approx(LONGER, abs=0.1)
    with pytest.raises(BrokenAudio, match=r"is cut off: it holds (4\d|50)% of"):
        heard_s(io.BytesIO(data[: len(data) // 2]))
    with open_clip(io.BytesIO(data[: len(data) * 95 // 100])) as clip:
        assert sum(block.size for block in clip.blocks(16_000)) / 16_000 == pytest.approx(LONGER * 0.95, abs=0.2)
        assert re.fullmatch(r"it is cut off or damaged: 9[3-6]% of it is heard", clip.remark)


def test_a_length_that_ffmpeg_guesses_refuses_nothing(tmp_path: Path) -> None:
    """What follows the sound, and a header written into a pipe, make the guess too long."""
    data = made(tmp_path / "windows.wma", "-c:a wmav2").read_bytes()
    piped = made(tmp_path / "piped.wma", "-c:a wmav2 -f asf -seekable 0").read_bytes()
    for whole in (data + bytes(20_000), data + data, piped):
        assert heard_s(io.BytesIO(whole), max_s=2.5) == pytest.approx(SECONDS, abs=0.1)


def test_a_picture_without_sound_is_said(tmp_path: Path) -> None:
    """A camera's clip may have none."""
    path = tmp_path / "silent.mp4"
    subprocess.run(["ffmpeg", "-v", "error", *PICTURE.split(), "-c:v", "mpeg4", str(path)], check=True, timeout=60)
    with pytest.raises(BrokenAudio, match=r"ffmpeg finds no sound in the file, which is MPEG-4 \(m4a, mp4\)"):
        open_clip(path)


def test_no_other_file_is_opened(tmp_path: Path) -> None:
    """A list of files is no recording, whatever it names."""
    sound = made(tmp_path / "sound.wav", "")
    for playlist in (f"ffconcat version 1.0\nfile {sound}\n", f"#EXTM3U\n#EXTINF:2,\n{sound}\n"):
        with pytest.raises(NotAudio):
            heard_s(io.BytesIO(playlist.encode()))


def test_ffmpeg_ends_with_the_clip(tmp_path: Path) -> None:
    """A recording that is left in its middle leaves no process behind."""
    path = made(tmp_path / "memo.m4a", MADE["memo.m4a"])
    clip = open_clip(path)
    process = clip._first._process
    next(clip.blocks(16_000))
    clip.close()
    assert process.returncode is not None


def test_a_damaged_ogg_is_not_said_to_lack_a_codec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pages are whole; that what they hold is not, libsndfile does not tell from a picture that comes first."""
    data = bytearray(made(tmp_path / "sound.ogg", "-c:a libvorbis").read_bytes())
    data[1000:1040] = bytes(40)  # in what the decoder needs first
    with pytest.raises(
        BrokenAudio, match="ffmpeg finds no sound in the file, which is OGG that libsndfile cannot open"
    ):
        heard_s(io.BytesIO(data))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotAudio, match="is OGG that libsndfile cannot open, which only ffmpeg can read"):
        heard_s(io.BytesIO(data))
