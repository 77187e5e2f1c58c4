"""File with the last sequence used; it survives the loss of the database beside it."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SEQUENCE_MAX = 1 << 53
"""Upper bound of a sequence: a higher number is damage."""

_DIGITS = 20


class SequenceFile:
    """A file that each new sequence overwrites in place, also on a full disk.

    It is not synchronized to the disk: after a power cut it may hold a number some seconds old, after a killed
    process it does not.
    """

    def __init__(self, path: Path) -> None:
        """Take the path of the file, which need not exist."""
        self._path = path
        self._file: int | None = None

    def read(self) -> int:
        """Return the last number; 0 if the file is missing or damaged."""
        try:
            text = self._path.read_bytes()[: _DIGITS + 1]
        except OSError:
            return 0
        number = int(text) if text.strip().isdigit() else 0
        return number if number < SEQUENCE_MAX else 0

    def write(self, sequence: int) -> None:
        """Write a number; if the disk refuses it, the one before stays."""
        with contextlib.suppress(OSError):
            if self._file is None:
                self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            os.pwrite(self._file, b"%0*d\n" % (_DIGITS, sequence), 0)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
