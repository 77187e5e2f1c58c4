"""The header of a Windows Media file, which says how long the file is: ffmpeg guesses where the two differ."""

from __future__ import annotations

import struct
from typing import BinaryIO

_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_FIELDS = struct.Struct("<16x8x16xQ40xI")  # name, length and identity of the object; the file's length; flags
_STREAMED = 1  # such a header was never finished
_MOST_HEADER = 1 << 16


def asf_held(file: BinaryIO, size: int) -> float:
    """Return how much of the bytes that its header promises a file of `size` bytes holds."""
    file.seek(0)
    head = file.read(_MOST_HEADER)
    at = head.find(_PROPERTIES)
    if at < 0 or len(head) - at < _FIELDS.size:
        return 1.0
    promised, flags = _FIELDS.unpack_from(head, at)
    return min(1.0, size / promised) if promised and not flags & _STREAMED else 1.0
