"""Zip archives that nobody vouches for, opened without reading more of them than a bundle can have."""

from __future__ import annotations

import os
import struct
import zipfile
from typing import IO

ZIP_MARK = b"PK"
"""How a zip begins, be it empty or not."""
_END = struct.Struct("<4s4H2LH")
"""The record at the end: mark, two disks, entries here and in all, size and place of their list, length of a word."""
_END_MARK, _END_64_MARK = b"PK\x05\x06", b"PK\x06\x07"
_END_64_BYTES = 20
"""Of what stands before the end where there is a second, longer one."""
_LONGEST_WORD = 1 << 16
_LIST_BYTES = 1 << 16
"""Of the list of entries: a thousand for each of 64."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""What is unpacked in pieces; the others come out of 4 kB whole, whatever that may be."""


def open_zip(file: IO[bytes], most: int) -> zipfile.ZipFile:
    """Return an archive of at most `most` entries, each of which can be read piece by piece.

    Raises `zipfile.BadZipFile` for one that is damaged, or larger than a bundle's; before its list is read.
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
