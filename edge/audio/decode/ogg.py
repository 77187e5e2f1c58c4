"""Pages of an Ogg file: positions of its links, and completeness of its sound.

Of several streams in a row, libsndfile decodes only the first, and only up to a hole or a missing end, without an
error.
"""

from __future__ import annotations

import math
import re
import struct
from typing import BinaryIO, NamedTuple

from edge.audio.decode.view import ScanBuffer

OGG = b"OggS"
_BEGINNING = re.compile(OGG + rb"\x00\x02")  # the first page of a stream
_BEGINNING_BYTES = 6
_HEAD = struct.Struct("<4sBBqIIIB")  # capture, version, flags, granule, serial, number of the page, checksum, segments
_MAGIC_BYTES = 8
_MOST_BYTES = _HEAD.size + 255 + _MAGIC_BYTES
_BEGINS, _ENDS = 2, 4
_AUDIO = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ")
_NUMBERS = 1 << 32
_MOST_PAGES_PER_S, _MOST_PAGES = 400, 4_000  # the shortest packets last 2.5 ms; with some margin
_MOST_LINKS = 1_000
_LONGEST_S = 1e9


class OggError(Exception):
    """Missing sound; the message follows the file's name in a sentence."""


class _Page(NamedTuple):
    """Header of a page, and the first bytes of its payload."""

    size: int
    flags: int
    serial: int
    number: int
    magic: bytes


class OggLink(NamedTuple):
    """Group of streams that begin together, with at least one of sound."""

    begin: int
    end: int
    codec: bytes
    """First bytes of its first stream of sound."""


def find_ogg_links(file: BinaryIO, size: int, max_s: float = math.inf) -> list[OggLink]:
    """Return the links of an Ogg file, in order.

    The pages of each audio stream, chained or interleaved, must be numbered without a hole, up to a page that is marked
    as the last. Bytes between links and after the last link, such as a tag, are ignored, and so are streams of other
    kinds. The payload is not read, so damage within a page is not detected. Raises `OggError`, also for more pages than
    `max_s` seconds of sound can have.
    """
    scanner = _PageScanner(min(max_s, _LONGEST_S) * _MOST_PAGES_PER_S + _MOST_PAGES)
    buffer, position = ScanBuffer(file), 0
    while True:
        data = buffer.fetch(position, _MOST_BYTES)
        page = _parse_page(data)
        if page is not None and position + page.size <= size:
            scanner.add(page, position)
            position += page.size
            continue
        if scanner.due or not position:
            raise OggError(_describe_end(data, page, position))
        found = buffer.find(_BEGINNING, _BEGINNING_BYTES, position + 1, size)
        if found is None:
            return scanner.links
        scanner.count()
        position = found


class _PageScanner:
    """Scanner of the pages of a file."""

    def __init__(self, most_pages: float) -> None:
        self.links: list[OggLink] = []
        self.due: dict[int, int] = {}
        """Number of the next page, for each audio stream that has not ended."""
        self._pages_left = most_pages
        self._group, self._in_group = 0, False

    def count(self) -> None:
        """Count one page, real or apparent; raises `OggError` if there are too many."""
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
            _check_number(page, self.due, position)
            # Bytes after the sound are left out: libsndfile would count anything there that looks like a page.
            self.links[-1] = self.links[-1]._replace(end=position + page.size)


def _check_number(page: _Page, due: dict[int, int], position: int) -> None:
    if page.number != due[page.serial]:
        msg = f"is damaged: a part is missing before byte {position}"
        raise OggError(msg)
    due[page.serial] = (page.number + 1) % _NUMBERS
    if page.flags & _ENDS:
        del due[page.serial]


def _describe_end(data: bytes, page: _Page | None, position: int) -> str:
    """Return the message for a missing page: the file is cut off or damaged."""
    if page is not None or data == OGG[: len(data)] or (data.startswith(OGG) and len(data) < _MOST_BYTES):
        return "is cut off: its last part is missing"
    return f"is damaged: it cannot be read beyond byte {position}"


def _parse_page(data: bytes) -> _Page | None:
    """Parse the header of a page; return None if it is invalid or incomplete."""
    if len(data) < _HEAD.size:
        return None
    capture, version, flags, _, serial, number, _, segments = _HEAD.unpack_from(data)
    body = _HEAD.size + segments
    if capture != OGG or version or len(data) < body:
        return None
    return _Page(body + sum(data[_HEAD.size : body]), flags, serial, number, data[body : body + _MAGIC_BYTES])
