"""The pages of an Ogg file: whether the sound in it is all there, read from their headers alone.

libsndfile plays what lies before a hole, or before a missing end, and calls that the whole.
"""

from __future__ import annotations

import os
import struct
from typing import BinaryIO, NamedTuple

_CAPTURE = b"OggS"
_HEAD = struct.Struct("<4sBBqIIIB")  # capture, version, flags, granule, serial, number of the page, checksum, segments
_MAGIC_BYTES = 8
_MOST_BYTES = _HEAD.size + 255 + _MAGIC_BYTES
_BEGINS, _ENDS = 2, 4
_AUDIO = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ")
_NUMBERS = 1 << 32


class _Page(NamedTuple):
    """A page's header, and the first bytes behind it."""

    size: int
    flags: int
    serial: int
    number: int
    magic: bytes


def ogg_wound(file: BinaryIO) -> str:
    """Return what is wrong with an Ogg file's pages, to follow its name in a sentence; "" when nothing is.

    Each audio stream in it, whether they follow one another or are interleaved, must have its pages numbered
    without a hole up to one that is marked as its last. What lies behind that, such as a tag, is no matter, and
    neither are streams of other things. The payload is not read, so damage within one page is not seen.
    Any other file is well. Leaves `file` at its start.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    wound = _walk(file, size) if file.read(len(_CAPTURE)) == _CAPTURE else ""
    file.seek(0)
    return wound


def _walk(file: BinaryIO, size: int) -> str:
    due: dict[int, int] = {}  # the number of the next page, for each audio stream that has not ended
    position = 0
    while True:
        file.seek(position)
        data = file.read(_MOST_BYTES)
        page = _page(data)
        if page is None or position + page.size > size:
            break
        if page.flags & _BEGINS and page.magic.startswith(_AUDIO):
            due[page.serial] = page.number
        if page.serial in due:
            if page.number != due[page.serial]:
                return f"is damaged: a part is missing before byte {position}"
            due[page.serial] = (page.number + 1) % _NUMBERS
            if page.flags & _ENDS:
                del due[page.serial]
        position += page.size
    if not due and position:
        return ""
    # The file stops at a page's border, within a page's header, or within its payload.
    if page is not None or data == _CAPTURE[: len(data)] or (data.startswith(_CAPTURE) and len(data) < _MOST_BYTES):
        return "is cut off: its last part is missing"
    return f"is damaged: it cannot be read on from byte {position}"


def _page(data: bytes) -> _Page | None:
    """Read the page that begins here; None when none does, or its header is not all there."""
    if len(data) < _HEAD.size:
        return None
    capture, version, flags, _, serial, number, _, segments = _HEAD.unpack_from(data)
    body = _HEAD.size + segments
    if capture != _CAPTURE or version or len(data) < body:
        return None
    return _Page(body + sum(data[_HEAD.size : body]), flags, serial, number, data[body : body + _MAGIC_BYTES])
