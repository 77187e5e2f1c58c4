"""Twenty formats in seven states: the decoded seconds equal those of ffmpeg, or there is an error.

A recording with less than nine tenths of the length in its header is refused, even if ffmpeg decodes it; one without a
length, such as an MP3 without a header, is decoded to its end. An Ogg file must have its last page.
"""

from __future__ import annotations

import random
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest

from edge.audio.decode.recording import open_recording
from edge.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

TOOLS = ("ffmpeg", "sox", "flac", "lame")
RATE, SECONDS = 16_000, 2.0
JUNK = random.Random(2).randbytes(4_000)

pytestmark = pytest.mark.encoders


class Format(NamedTuple):
    """Commands that encode IN as the file OUT, and to a pipe, without a length."""

    suffix: str
    file: str
    pipe: str


def make_format(suffix: str, options: str, muxer: str = "") -> Format:
    start = f"ffmpeg -v error -y -i IN {options}"
    return Format(suffix, f"{start} OUT", f"{start} -f {muxer or suffix} -")


FORMATS = {
    "wav": make_format("wav", "-c:a pcm_s16le"),
    "wav float": make_format("wav", "-c:a pcm_f32le"),
    "wav mu-law": Format("wav", "ffmpeg -v error -y -i IN -c:a pcm_mulaw OUT", "sox IN -t wav -e mu-law -"),
    "wav adpcm": make_format("wav", "-c:a adpcm_ms -block_size 256"),
    "rifx": Format("wav", "sox IN -B OUT", "sox IN -B -t wav -"),
    "rf64": make_format("wav", "-rf64 always"),
    "w64": make_format("w64", ""),
    "aiff": Format("aiff", "sox IN OUT", "sox IN -t aiff -"),
    "aifc": make_format("aifc", "-c:a pcm_alaw -f aiff", "aiff"),
    "au": Format("au", "sox IN OUT", "sox IN -t au -"),
    "caf": make_format("caf", ""),
    "flac": Format("flac", "flac -s -b 1152 -o OUT IN", "ffmpeg -v error -i IN -f flac -"),
    "vorbis": make_format("ogg", "-c:a libvorbis"),
    "opus": make_format("opus", "-c:a libopus", "ogg"),
    "mp3": Format("mp3", "lame --quiet -b 64 IN OUT", "lame --quiet -V 4 IN -"),
    "mp3 no header": Format("mp3", "lame --quiet -t -b 48 IN OUT", "lame --quiet -t -b 48 IN -"),
    "mp3 vbr no header": Format("mp3", "lame --quiet -t -V 2 IN OUT", "lame --quiet -t -V 2 IN -"),
    "mp2": make_format("mp2", "-c:a mp2 -b:a 64k"),
    "ogg flac": make_format("oga", "-c:a flac", "ogg"),
    "m4a": Format(
        "m4a", *(f"ffmpeg -v error -y -i IN -c:a aac {to}" for to in ("OUT", "-movflags empty_moov -f mp4 -"))
    ),
    "webm": make_format("webm", "-c:a libopus"),
}


class Expected(NamedTuple):
    """Expected seconds where ffmpeg differs, and the reason."""

    seconds: float
    why: str


USUAL: dict[str, str | Expected] = {
    "whole": "as ffmpeg",
    "half": "cut off",
    "less 5 %": "as ffmpeg",
    "unknown length": "as ffmpeg",
    "chained": "as ffmpeg",
    "junk before": "begins with 4000 bytes that are not audio",
    "junk behind": "as ffmpeg",
}
OWN_PIPE = Expected(SECONDS, "ffmpeg does not read what it wrote into a pipe itself")
TO_THE_END = Expected(SECONDS, "ffmpeg plays all to the file's end as sound")
PADDING = "ffmpeg plays the encoder's padding"
ENDLESS: dict[str, str | Expected] = {"half": "as ffmpeg", "junk before": "as ffmpeg"}
PAGED: dict[str, str | Expected] = {"less 5 %": "cut off"}
OTHERWISE: dict[str, dict[str, str | Expected]] = {
    "rf64": {"unknown length": OWN_PIPE},
    "w64": {
        "unknown length": OWN_PIPE,
        "junk behind": Expected(SECONDS, "ffmpeg wants a chunk behind the sound"),
    },
    "aifc": {"unknown length": OWN_PIPE},
    "au": {"chained": TO_THE_END, "junk behind": TO_THE_END},
    "flac": {"chained": Expected(2 * SECONDS, "ffmpeg loses a block where they meet")},
    "vorbis": PAGED,
    "opus": PAGED,
    "ogg flac": PAGED,
    "mp3": {"chained": Expected(2 * SECONDS, PADDING), "junk before": Expected(SECONDS, PADDING)},
    "mp3 no header": ENDLESS,
    "mp3 vbr no header": ENDLESS,
    "mp2": ENDLESS,
    "m4a": {"half": "cut off, damaged", "less 5 %": "cut off, damaged"},
}


def run(command: str, names: dict[str, str]) -> bytes:
    """Run a command; return its standard output."""
    words = [names.get(word, word) for word in command.split()]
    return subprocess.run(words, check=True, capture_output=True, timeout=60).stdout


def make_states(made: Format, sound: Path) -> dict[str, bytes]:
    """Return a file in its seven states."""
    whole_path = sound.with_name(f"whole.{made.suffix}")
    run(made.file, {"IN": str(sound), "OUT": str(whole_path)})
    whole = whole_path.read_bytes()
    return {
        "whole": whole,
        "half": whole[: len(whole) // 2],
        "less 5 %": whole[: len(whole) * 95 // 100],
        "unknown length": run(made.pipe, {"IN": str(sound)}),
        "chained": whole + whole,
        "junk before": JUNK + whole,
        "junk behind": whole + JUNK,
    }


def measure_s(path: Path) -> float:
    """Return the seconds that Tocsin decodes."""
    with open_recording(path) as recording:
        return sum(block.size for block in recording.blocks(RATE)) / RATE


def measure_with_ffmpeg_s(path: Path) -> float:
    """Return the seconds that ffmpeg decodes."""
    return len(run(f"ffmpeg -v quiet -i IN -map 0:a:0 -f s16le -ac 1 -ar {RATE} -", {"IN": str(path)})) / 2 / RATE


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write two seconds of noise; return the path."""
    path = tmp_path_factory.mktemp("formats") / "sound.wav"
    noise = f"ffmpeg -v error -f lavfi -i anoisesrc=r={RATE}:a=0.05:d={SECONDS}:c=pink:seed=1 -c:a pcm_s16le OUT"
    run(noise, {"OUT": str(path)})
    return path


@pytest.mark.parametrize("name", list(FORMATS))
def test_the_decoded_seconds_are_right_or_there_is_an_error(
    name: str, sound: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It holds in every state, and no library writes to the terminal."""
    for state, data in make_states(FORMATS[name], sound).items():
        path = tmp_path / f"{state.replace(' ', '-')}.{FORMATS[name].suffix}"
        path.write_bytes(data)
        expected = OTHERWISE.get(name, {}).get(state, USUAL[state])
        if expected == "as ffmpeg":
            expected = Expected(measure_with_ffmpeg_s(path), "")
        if isinstance(expected, Expected):
            assert measure_s(path) == pytest.approx(expected.seconds, abs=0.1), state
        else:
            with pytest.raises(DataError, match=expected) as told:
                measure_s(path)
            assert "\n" not in str(told.value), state
    assert capfd.readouterr().err == ""
