"""Lengths in headers: checked in every container, and ignored if not completed."""

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
LENGTHS = {  # length field of each container: name of the chunk, offset from it, and format
    "WAV": (b"data", 4, "<I"),
    "RIFX": (b"data", 4, ">I"),
    "AIFF": (b"SSND", 4, ">I"),
    "AU": (b".snd", 8, ">I"),
    "W64": (b"data", 16, "<Q"),
    "CAF": (b"data", 4, ">Q"),
    "RF64": (b"ds64", 16, "<Q"),
}


def encode(container: str) -> bytes:
    """Return a file of one second, with no bytes after the samples."""
    file = io.BytesIO()
    kind, endian = ("WAV", "BIG") if container == "RIFX" else (container, None)
    sf.write(file, SOUND, RATE, format=kind, subtype="PCM_16", endian=endian)
    return file.getvalue()


def encode_with_length(container: str, length: int) -> bytes:
    """Return a file of one second whose header has another length, in bytes."""
    data = bytearray(encode(container))
    name, at, form = LENGTHS[container]
    struct.pack_into(form, data, data.index(name) + at, length)
    return bytes(data)


def count_samples(data: bytes) -> int:
    """Return the number of decoded samples of a file."""
    with open_recording(io.BytesIO(data)) as recording:
        return sum(block.size for block in recording.blocks(RATE))


@pytest.mark.parametrize("container", list(LENGTHS))
def test_an_incomplete_header_is_ignored(container: str) -> None:
    """With a length of zero or the largest number, the sound is decoded to its end."""
    wide = LENGTHS[container][2][1] == "Q"
    for length in (0, 2**64 - 1 if wide else 2**32 - 1, 2**63 - 1 if wide else 2**31 - 1):
        assert count_samples(encode_with_length(container, length)) == pytest.approx(SAMPLES, abs=12), length


@pytest.mark.parametrize("container", ["WAV", "RIFX", "W64", "CAF"])
def test_a_header_with_the_length_of_the_first_block_is_incomplete(container: str) -> None:
    """Python's wave module writes the length of the first block, and corrects it at the end."""
    assert count_samples(encode_with_length(container, 3_200)) >= SAMPLES


@pytest.mark.parametrize("container", list(LENGTHS))
def test_half_of_any_container_is_refused_and_a_little_less_is_not(container: str) -> None:
    """The length is checked in every container; nine tenths of it are enough."""
    data = encode(container)
    with pytest.raises(BrokenAudio, match=r"cut off: it holds (4\d|50)% of"):
        count_samples(data[: len(data) // 2])
    assert count_samples(data[: len(data) * 96 // 100]) == pytest.approx(0.96 * SAMPLES, rel=0.01)


@pytest.mark.parametrize("container", list(LENGTHS))
def test_other_bytes_after_the_sound_are_not_decoded(container: str) -> None:
    """A completed header is trusted: a file, a chunk or zeros after the sound are ignored."""
    data = encode(container)
    for behind in (data, b"LIST\x04\x00\x00\x00INFO", bytes(3_000)):
        assert count_samples(data + behind) == SAMPLES


def test_a_chunk_longer_than_the_sound_is_not_decoded() -> None:
    """A long picture after the samples is not part of the sound."""
    picture = b"id3 " + struct.pack("<I", 60_000) + bytes(60_000)
    assert count_samples(encode("WAV") + picture) == SAMPLES
    data = encode("WAV")
    empty = data[: data.index(b"data")] + b"data\0\0\0\0"
    for file in (empty, empty + picture):
        with pytest.raises(EmptyInput, match="holds no sound"):
            count_samples(file)


def test_lengths_beyond_two_gigabytes_are_checked(tmp_path: Path) -> None:
    """With a length of three gigabytes, a missing third is detected."""
    path = tmp_path / "long.wav"
    head = encode_with_length("WAV", 3_000_000_000)[:44]
    for size, there in ((2_000_000_000, 2_000_000_000), (3_100_000_000, 3_000_000_000)):
        with path.open("w+b") as file:
            file.write(head)
            file.truncate(44 + size)
            body = find_body(file, 44 + size)
        assert body is not None
        assert (body.present, body.promised) == (there, 3_000_000_000)
