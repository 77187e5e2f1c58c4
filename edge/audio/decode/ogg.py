"""The pages of an Ogg file: where its links begin, and whether the sound in it is all there.

libsndfile plays the first of several streams that follow one another, and of that what lies before a hole, or before a
missing end, and calls it the whole.
"""

from __future__ import annotations

import math
import re
import struct
from typing import BinaryIO, NamedTuple

from edge.audio.decode.view import Window

OGG = b"OggS"
_BEGINNING = re.compile(OGG + rb"\x00\x02")  # of a stream's first page
_BEGINNING_BYTES = 6
_HEAD = struct.Struct("<4sBBqIIIB")  # capture, version, flags, granule, serial, number of the page, checksum, segments
_MAGIC_BYTES = 8
_MOST_BYTES = _HEAD.size + 255 + _MAGIC_BYTES
_BEGINS, _ENDS = 2, 4
_AUDIO = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ")
_NUMBERS = 1 << 32
_MOST_PAGES_PER_S, _MOST_PAGES = 400, 4_000  # the shortest packets of sound last 2.5 ms; and some more
_MOST_LINKS = 1_000
_LONGEST_S = 1e9


class OggError(Exception):
    """Sound is missing; the message says how, to follow the file's name in a sentence."""


class _Page(NamedTuple):
    """A page's header, and the first bytes behind it."""

    size: int
    flags: int
    serial: int
    number: int
    magic: bytes


class OggLink(NamedTuple):
    """Streams that begin together, of which one at least is sound."""

    begin: int
    end: int
    codec: bytes
    """How its first stream of sound begins."""


def ogg_links(file: BinaryIO, size: int, max_s: float = math.inf) -> list[OggLink]:
    """Return the links of an Ogg file, which follow one another.

    Each audio stream, whether they follow one another or are interleaved, must have its pages numbered without a hole
    up to one that is marked as its last. What lies between links and behind the last, such as a tag, is no matter, and
    neither are streams of other things. The payload is not read, so damage within one page is not seen. Raises
    `OggError`, also for more pages than `max_s` seconds of sound can have.
    """
    walk = _Walk(min(max_s, _LONGEST_S) * _MOST_PAGES_PER_S + _MOST_PAGES)
    window, position = Window(file), 0
    while True:
        data = window.at(position, _MOST_BYTES)
        page = _page(data)
        if page is not None and position + page.size <= size:
            walk.add(page, position)
            position += page.size
            continue
        if walk.due or not position:
            raise OggError(_end_of(data, page, position))
        found = window.find(_BEGINNING, _BEGINNING_BYTES, position + 1, size)
        if found is None:
            return walk.links
        walk.count()
        position = found


class _Walk:
    """What was learnt from the pages so far."""

    def __init__(self, most_pages: float) -> None:
        self.links: list[OggLink] = []
        self.due: dict[int, int] = {}
        """The number of the next page, for each audio stream that has not ended."""
        self._pages_left = most_pages
        self._group, self._in_group = 0, False

    def count(self) -> None:
        """Take one page, or what looked like one, off those that are allowed."""
        self._pages_left -= 1
        if self._pages_left < 0 or len(self.links) > _MOST_LINKS:
            msg = "is damaged: it has too many pages or parts"
            raise OggError(msg)

    def add(self, page: _Page, position: int) -> None:
        self.count()
        begins = bool(page.flags & _BEGINS)
        if begins and not self._in_group:
            self._group = position
        self._in_group = begins
        if begins and page.magic.startswith(_AUDIO):
            self.due[page.serial] = page.number
            if not self.links or self.links[-1].begin != self._group:
                self.links.append(OggLink(self._group, position, page.magic))
        if page.serial in self.due:
            _count(page, self.due, position)
            # What follows the sound is no part of it: libsndfile sums up whatever there looks like a page.
            self.links[-1] = self.links[-1]._replace(end=position + page.size)


def _count(page: _Page, due: dict[int, int], position: int) -> None:
    if page.number != due[page.serial]:
        msg = f"is damaged: a part is missing before byte {position}"
        raise OggError(msg)
    due[page.serial] = (page.number + 1) % _NUMBERS
    if page.flags & _ENDS:
        del due[page.serial]


def _end_of(data: bytes, page: _Page | None, position: int) -> str:
    """Say why there is no whole page: the file stops at a border, in a page's header or payload, or is no Ogg here."""
    if page is not None or data == OGG[: len(data)] or (data.startswith(OGG) and len(data) < _MOST_BYTES):
        return "is cut off: its last part is missing"
    return f"is damaged: it cannot be read beyond byte {position}"


def _page(data: bytes) -> _Page | None:
    """Read the page that begins here; None when none does, or its header is not all there."""
    if len(data) < _HEAD.size:
        return None
    capture, version, flags, _, serial, number, _, segments = _HEAD.unpack_from(data)
    body = _HEAD.size + segments
    if capture != OGG or version or len(data) < body:
        return None
    return _Page(body + sum(data[_HEAD.size : body]), flags, serial, number, data[body : body + _MAGIC_BYTES])
