"""What headers promise: believed where they were finished, and checked in every container."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile as sf

from edge.audio.decode.container import find_body
from edge.audio.decode.recording import open_recording
from edge.errors import BrokenAudio, EmptyInput

if TYPE_CHECKING:
    from pathlib import Path

RATE, SAMPLES = 16_000, 16_000
SOUND = np.random.default_rng(0).normal(0, 0.1, SAMPLES).astype(np.float32)
LENGTHS = {  # where each container says how long its sound is, from the name of the chunk, and how
    "WAV": (b"data", 4, "<I"),
    "RIFX": (b"data", 4, ">I"),
    "AIFF": (b"SSND", 4, ">I"),
    "AU": (b".snd", 8, ">I"),
    "W64": (b"data", 16, "<Q"),
    "CAF": (b"data", 4, ">Q"),
    "RF64": (b"ds64", 16, "<Q"),
}


def encoded(container: str) -> bytes:
    """Return a second of sound, with nothing behind it."""
    file = io.BytesIO()
    kind, endian = ("WAV", "BIG") if container == "RIFX" else (container, None)
    sf.write(file, SOUND, RATE, format=kind, subtype="PCM_16", endian=endian)
    return file.getvalue()


def promising(container: str, length: int) -> bytes:
    """Return a second of sound whose header says another length, in bytes."""
    data = bytearray(encoded(container))
    name, at, form = LENGTHS[container]
    struct.pack_into(form, data, data.index(name) + at, length)
    return bytes(data)


def heard(data: bytes) -> int:
    """Return how many samples of a file are heard."""
    with open_recording(io.BytesIO(data)) as clip:
        return sum(block.size for block in clip.blocks(RATE))


@pytest.mark.parametrize("container", list(LENGTHS))
def test_a_header_that_was_never_finished_promises_nothing(container: str) -> None:
    """Nothing, or the largest number, is what programs write before they know; the sound is heard to its end."""
    wide = LENGTHS[container][2][1] == "Q"
    for length in (0, 2**64 - 1 if wide else 2**32 - 1, 2**63 - 1 if wide else 2**31 - 1):
        assert heard(promising(container, length)) == pytest.approx(SAMPLES, abs=12), length


@pytest.mark.parametrize("container", ["WAV", "RIFX", "W64", "CAF"])
def test_a_header_of_the_first_block_alone_was_never_finished(container: str) -> None:
    """Python's wave counts the first block, and the rest when it is closed."""
    assert heard(promising(container, 3_200)) >= SAMPLES


@pytest.mark.parametrize("container", list(LENGTHS))
def test_half_of_any_container_is_refused_and_a_little_less_is_not(container: str) -> None:
    """The promise is checked whatever the container, and more than nine tenths of it count."""
    data = encoded(container)
    with pytest.raises(BrokenAudio, match=r"cut off: it holds (4\d|50)% of"):
        heard(data[: len(data) // 2])
    assert heard(data[: len(data) * 96 // 100]) == pytest.approx(0.96 * SAMPLES, rel=0.01)


@pytest.mark.parametrize("container", list(LENGTHS))
def test_chunks_files_and_rubbish_behind_the_sound_are_not_heard(container: str) -> None:
    """A finished header is believed."""
    data = encoded(container)
    for behind in (data, b"LIST\x04\x00\x00\x00INFO", bytes(3_000)):
        assert heard(data + behind) == SAMPLES


def test_a_chunk_longer_than_the_sound_is_no_sound() -> None:
    """A picture behind a short sound leaves it short, and one behind no sound leaves none."""
    picture = b"id3 " + struct.pack("<I", 60_000) + bytes(60_000)
    assert heard(encoded("WAV") + picture) == SAMPLES
    data = encoded("WAV")
    empty = data[: data.index(b"data")] + b"data\0\0\0\0"
    for file in (empty, empty + picture):
        with pytest.raises(EmptyInput, match="holds no sound"):
            heard(file)


def test_lengths_beyond_two_gigabytes_are_checked(tmp_path: Path) -> None:
    """A length of three gigabytes is a length: a file of which a third is missing is told from a whole one."""
    path = tmp_path / "long.wav"
    head = promising("WAV", 3_000_000_000)[:44]
    for size, there in ((2_000_000_000, 2_000_000_000), (3_100_000_000, 3_000_000_000)):
        with path.open("w+b") as file:
            file.write(head)
            file.truncate(44 + size)
            body = find_body(file, 44 + size)
        assert body is not None
        assert (body.present, body.promised) == (there, 3_000_000_000)
