"""Ogg files: truncated or damaged ones are refused; chained and interleaved ones are decoded."""

from __future__ import annotations

import io
import math
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile as sf

from edge.audio.decode.ogg import OggError, find_ogg_links
from edge.audio.decode.recording import open_recording
from edge.audio.sources.file import FileSource
from edge.errors import BrokenAudio
from edge.settings.source_spec import FileSpec

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RATE = 16_000


def encode(subtype: str) -> bytes:
    """Return three seconds of noise as a file."""
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).normal(0, 0.1, 3 * RATE).astype(np.float32)
    sf.write(buffer, noise, RATE, format="OGG", subtype=subtype)
    return buffer.getvalue()


WHOLE = {subtype: encode(subtype) for subtype in ("VORBIS", "OPUS")}


def split_pages(data: bytes) -> list[bytes]:
    """Return the pages of a file."""
    parts = data.split(b"OggS")[1:]
    return [b"OggS" + part for part in parts]


def make_page(serial: int, number: int, flags: int = 0, payload: bytes = b"x") -> bytes:
    """Return a page; its checksum is not valid."""
    head = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, 0, serial, number, 0, 1)
    return head + bytes([len(payload)]) + payload


def find_fault(data: bytes, max_s: float = math.inf) -> str:
    """Return the error in the pages of a file; "" without one."""
    try:
        find_ogg_links(io.BytesIO(data), len(data), max_s)
    except OggError as exc:
        return str(exc)
    return ""


def decode(data: bytes) -> NDArray[np.float32]:
    """Return the samples of a file."""
    with open_recording(io.BytesIO(data)) as recording:
        return np.concatenate(list(recording.blocks(RATE)))


def overwrite_middle(data: bytes, count: int) -> bytes:
    """Replace bytes in the middle of a file by random ones."""
    begin = (len(data) - count) // 2
    return data[:begin] + np.random.default_rng(1).bytes(count) + data[begin + count :]


@pytest.mark.parametrize("subtype", list(WHOLE))
def test_missing_and_overwritten_parts_are_errors(subtype: str, tmp_path: Path) -> None:
    """A half, a hole, a missing page and a missing end are errors of one line, for every reader."""
    data = WHOLE[subtype]
    split = split_pages(data)
    bad = {
        "is cut off": [data[: len(data) // 2], data[:-1], b"".join(split[:-1]), data[: -len(split[-1]) + 10]],
        "is damaged": [overwrite_middle(data, 5_000), b"".join(split[:-2] + split[-1:])],
    }
    path = tmp_path / "bad.ogg"
    for words, variants in bad.items():
        for variant in variants:
            path.write_bytes(variant)
            with pytest.raises(BrokenAudio, match=f"^the recording: the file {words}: [^\n]+$"):
                open_recording(io.BytesIO(variant))
            with pytest.raises(BrokenAudio, match=f"^{path}: the file {words}: [^\n]+$"):
                FileSource(FileSpec(f"file:{path}", path), RATE).open()


@pytest.mark.parametrize("subtype", list(WHOLE))
def test_every_link_of_a_chain_is_decoded(subtype: str) -> None:
    """Links may have the same serial number, with a tag between them or after the last."""
    data, tag = WHOLE[subtype], b"TAG" + bytes(125)
    alone = decode(data)
    assert alone.size == pytest.approx(3 * RATE, abs=RATE // 100)
    for chain, links in ((data + data, 2), (data + tag, 1), (data + tag + data + tag, 2), (data * 3, 3)):
        assert np.array_equal(decode(chain), np.tile(alone, links))
    assert find_fault(data + data[:-1]) == "is cut off: its last part is missing"


def test_links_may_differ_in_codec_and_rate() -> None:
    """Each link is decoded with its own codec and rate."""
    other = io.BytesIO()
    sf.write(other, np.zeros((44_100, 2)), 44_100, format="OGG", subtype="VORBIS")
    chain = decode(WHOLE["OPUS"] + other.getvalue())
    assert chain.size / RATE == pytest.approx(4.0, abs=0.02)
    assert np.abs(chain[-RATE // 2 :]).max() < 1e-3


def test_the_number_of_pages_is_limited() -> None:
    """A file with too many pages for its duration is refused."""
    empty = make_page(1, 0, 2, b"OpusHead") + b"".join(make_page(1, number, payload=b"") for number in range(1, 9_000))
    assert "too many pages or parts" in find_fault(empty, max_s=10.0)
    assert find_fault(empty, max_s=60.0).startswith("is cut off")


def test_interleaved_streams_are_checked_separately() -> None:
    """Each audio stream has its own page numbers and end; other streams are not checked."""
    vorbis = b"\x01vorbis"
    begin = [make_page(1, 0, 2, vorbis), make_page(2, 0, 2, b"OpusHead"), make_page(3, 0, 2, b"\x80theora")]
    rest = [make_page(1, 1), make_page(3, 7), make_page(2, 1), make_page(2, 2, 4), make_page(1, 2, 4)]
    assert find_fault(b"".join(begin + rest)) == ""
    assert find_fault(b"".join(begin + rest[:-1])).startswith("is cut off")
    assert find_fault(b"".join(begin + rest[1:])).startswith("is damaged")


def test_page_numbers_wrap_around() -> None:
    """After the largest number the next is 0."""
    data = make_page(1, 2**32 - 1, 2, b"OpusHead") + make_page(1, 0) + make_page(1, 1, 4)
    assert find_fault(data) == ""
