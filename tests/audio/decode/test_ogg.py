"""Ogg files that are cut off or have a hole are refused; whole ones are not, however they are put together."""

from __future__ import annotations

import io
import math
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile as sf

from edge.audio.decode.clip import open_clip
from edge.audio.decode.ogg import OggError, ogg_links
from edge.audio.sources.file import FileSource
from edge.errors import BrokenAudio
from edge.settings.source_spec import FileSpec

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RATE = 16_000


def encoded(subtype: str) -> bytes:
    """Return three seconds of noise."""
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).normal(0, 0.1, 3 * RATE).astype(np.float32)
    sf.write(buffer, noise, RATE, format="OGG", subtype=subtype)
    return buffer.getvalue()


WHOLE = {subtype: encoded(subtype) for subtype in ("VORBIS", "OPUS")}


def pages(data: bytes) -> list[bytes]:
    """Return the pages of a file."""
    parts = data.split(b"OggS")[1:]
    return [b"OggS" + part for part in parts]


def page(serial: int, number: int, flags: int = 0, payload: bytes = b"x") -> bytes:
    """Return a page; its checksum is nobody's business here."""
    head = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, 0, serial, number, 0, 1)
    return head + bytes([len(payload)]) + payload


def wound(data: bytes, max_s: float = math.inf) -> str:
    """Return what is wrong with a file's pages; "" when nothing is."""
    try:
        ogg_links(io.BytesIO(data), len(data), max_s)
    except OggError as exc:
        return str(exc)
    return ""


def heard(data: bytes) -> NDArray[np.float32]:
    """Return the samples of a file."""
    with open_clip(io.BytesIO(data)) as clip:
        return np.concatenate(list(clip.blocks(RATE)))


def overwritten(data: bytes, count: int) -> bytes:
    """Return the file with bytes in its middle that mean nothing."""
    begin = (len(data) - count) // 2
    return data[:begin] + np.random.default_rng(1).bytes(count) + data[begin + count :]


@pytest.mark.parametrize("subtype", list(WHOLE))
def test_what_is_missing_or_overwritten_is_said(subtype: str, tmp_path: Path) -> None:
    """A half, a hole, a page that is gone and a missing end: each an error of one line, for every reader."""
    data = WHOLE[subtype]
    split = pages(data)
    bad = {
        "is cut off": [data[: len(data) // 2], data[:-1], b"".join(split[:-1]), data[: -len(split[-1]) + 10]],
        "is damaged": [overwritten(data, 5_000), b"".join(split[:-2] + split[-1:])],
    }
    path = tmp_path / "bad.ogg"
    for words, variants in bad.items():
        for variant in variants:
            path.write_bytes(variant)
            with pytest.raises(BrokenAudio, match=f"^the recording {words}: [^\n]+$"):
                open_clip(io.BytesIO(variant))
            with pytest.raises(BrokenAudio, match=f"^{path} {words}: [^\n]+$"):
                FileSource(FileSpec(f"file:{path}", path), RATE).open()


@pytest.mark.parametrize("subtype", list(WHOLE))
def test_every_link_of_a_chain_is_heard(subtype: str) -> None:
    """Streams may follow one another, even under one serial number, with a tag between them or behind the last."""
    data, tag = WHOLE[subtype], b"TAG" + bytes(125)
    alone = heard(data)
    assert alone.size == pytest.approx(3 * RATE, abs=RATE // 100)
    for chain, links in ((data + data, 2), (data + tag, 1), (data + tag + data + tag, 2), (data * 3, 3)):
        assert np.array_equal(heard(chain), np.tile(alone, links))
    assert wound(data + data[:-1]) == "is cut off: its last part is missing"


def test_links_of_other_codecs_and_rates_follow_one_another() -> None:
    """Each link is decoded as what it is."""
    other = io.BytesIO()
    sf.write(other, np.zeros((44_100, 2)), 44_100, format="OGG", subtype="VORBIS")
    chain = heard(WHOLE["OPUS"] + other.getvalue())
    assert chain.size / RATE == pytest.approx(4.0, abs=0.02)
    assert np.abs(chain[-RATE // 2 :]).max() < 1e-3


def test_pages_are_counted() -> None:
    """A file of more pages than its seconds can have is not walked to its end."""
    empty = page(1, 0, 2, b"OpusHead") + b"".join(page(1, number, payload=b"") for number in range(1, 9_000))
    assert "too many pages or parts" in wound(empty, max_s=10.0)
    assert wound(empty, max_s=60.0).startswith("is cut off")


def test_interleaved_streams_are_counted_apart() -> None:
    """Each audio stream has its own numbers and its own end; a stream of something else may stop anywhere."""
    vorbis = b"\x01vorbis"
    begin = [page(1, 0, 2, vorbis), page(2, 0, 2, b"OpusHead"), page(3, 0, 2, b"\x80theora")]
    rest = [page(1, 1), page(3, 7), page(2, 1), page(2, 2, 4), page(1, 2, 4)]
    assert wound(b"".join(begin + rest)) == ""
    assert wound(b"".join(begin + rest[:-1])).startswith("is cut off")
    assert wound(b"".join(begin + rest[1:])).startswith("is damaged")


def test_the_numbers_of_pages_go_round() -> None:
    """After the largest number comes 0."""
    data = page(1, 2**32 - 1, 2, b"OpusHead") + page(1, 0) + page(1, 1, 4)
    assert wound(data) == ""
