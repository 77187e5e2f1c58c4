"""Positions of FLAC streams, of which a file may contain several in a row."""

from __future__ import annotations

import re
from typing import BinaryIO

from edge.audio.decode.view import ScanBuffer

FLAC = b"fLaC"
_HEAD = re.compile(FLAC + rb"[\x00\x80]\x00\x00\x22")  # the first metadata block, of 34 bytes
_HEAD_BYTES = 8
_LENGTH_AT, _LENGTH_BYTES, _LENGTH_MASK = 21, 5, (1 << 36) - 1  # samples in each channel of a stream, 0 if unknown


def find_flac_part(file: BinaryIO, begin: int, size: int) -> tuple[int, int]:
    """Return the range of bytes of the stream that begins at `begin`.

    If its header has a length, the range extends to the end of the file, because the next stream is searched for after
    decoding. If not, it ends before the next stream.
    """
    file.seek(begin + _LENGTH_AT)
    length = int.from_bytes(file.read(_LENGTH_BYTES), "big") & _LENGTH_MASK
    end = None if length else find_next_flac(file, begin + len(FLAC), size)
    return begin, size if end is None else end


def find_next_flac(file: BinaryIO, position: int, size: int) -> int | None:
    """Return the position of the first stream from `position` on; None without one."""
    return ScanBuffer(file).find(_HEAD, _HEAD_BYTES, position, size)
