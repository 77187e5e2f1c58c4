"""The beginnings of FLAC streams, which may follow one another in a file."""

from __future__ import annotations

import re
from typing import BinaryIO

from edge.audio.decode.view import Window

FLAC = b"fLaC"
_HEAD = re.compile(FLAC + rb"[\x00\x80]\x00\x00\x22")  # the block that comes first, of 34 bytes
_HEAD_BYTES = 8
_LENGTH_AT, _LENGTH_BYTES, _LENGTH_MASK = 21, 5, (1 << 36) - 1  # a stream's samples in each channel, 0 for unknown


def flac_part(file: BinaryIO, begin: int, size: int) -> tuple[int, int]:
    """Return where a stream that begins at `begin` may end: before the next one, if it does not say its length.

    Where it does, the next one need not be looked for until so much was decoded.
    """
    file.seek(begin + _LENGTH_AT)
    length = int.from_bytes(file.read(_LENGTH_BYTES), "big") & _LENGTH_MASK
    end = None if length else next_flac(file, begin + len(FLAC), size)
    return begin, size if end is None else end


def next_flac(file: BinaryIO, position: int, size: int) -> int | None:
    """Return where the first stream begins at or behind `position`; None when there is none."""
    return Window(file).find(_HEAD, _HEAD_BYTES, position, size)
