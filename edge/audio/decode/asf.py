"""Header of Windows Media files, with the length of the file.

ffmpeg only estimates the duration if the header and the file differ.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_FIELDS = struct.Struct("<16x8x16xQ40xI")  # name, length and identity of the object; the file's length; flags
_STREAMED = 1  # the header was not completed
_MOST_HEADER = 1 << 16


def read_asf_completeness(file: BinaryIO, size: int) -> float:
    """Return the share of the promised bytes that a file of `size` bytes contains."""
    file.seek(0)
    head = file.read(_MOST_HEADER)
    at = head.find(_PROPERTIES)
    if at < 0 or len(head) - at < _FIELDS.size:
        return 1.0
    promised, flags = _FIELDS.unpack_from(head, at)
    return min(1.0, size / promised) if promised and not flags & _STREAMED else 1.0
