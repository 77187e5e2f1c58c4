"""Untrusted zip archives, opened with bounded memory."""

from __future__ import annotations

import os
import struct
import zipfile
from typing import IO

ZIP_MARK = b"PK"
"""First bytes of any zip."""
_END = struct.Struct("<4s4H2LH")
"""End-of-central-directory record: mark, 2 disk numbers, 2 entry counts, directory size and offset, comment length."""
_END_MARK, _END_64_MARK = b"PK\x05\x06", b"PK\x06\x07"
_END_64_BYTES = 20
"""Size of the zip64 locator, which precedes the record."""
_LONGEST_WORD = 1 << 16
_LIST_BYTES = 1 << 16
"""Maximum size of the central directory: 1 KiB for each of 64 entries."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Methods that zipfile decompresses in pieces; with the others, 4 kB may expand without limit."""


def open_zip(file: IO[bytes], most: int) -> zipfile.ZipFile:
    """Open an archive of at most `most` entries that can be read in pieces.

    Raises `zipfile.BadZipFile` for a damaged archive, or a too large one before its directory is read.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _LONGEST_WORD - _END.size - _END_64_BYTES))
    tail = file.read()
    at = tail.rfind(_END_MARK)
    if at < 0 or len(tail) - at < _END.size:
        msg = "its end is missing"
        raise zipfile.BadZipFile(msg)
    _, _, _, _, entries, list_bytes, _, _ = _END.unpack_from(tail, at)
    if entries > most or list_bytes > _LIST_BYTES or tail[max(0, at - _END_64_BYTES) : at].startswith(_END_64_MARK):
        msg = f"more than {most} entries"
        raise zipfile.BadZipFile(msg)
    archive = zipfile.ZipFile(file)
    for entry in archive.infolist():
        if entry.compress_type not in _METHODS:
            msg = f"{entry.filename[:100]!r} is neither stored nor deflated"
            raise zipfile.BadZipFile(msg)
    return archive
