"""The last sequence that was given out, in a small file beside the database: it outlives the database's loss."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SEQUENCE_MAX = 1 << 53
"""No node gets there; a higher number is damage."""

_DIGITS = 20


class SequenceNote:
    """A file that is overwritten in place with each sequence, also on a full disk.

    It is not forced to the disk, so a power cut may leave a number of some seconds ago; a killed process does not.
    """

    def __init__(self, path: Path) -> None:
        """Take where the file is or will be."""
        self._path = path
        self._file: int | None = None

    def read(self) -> int:
        """Return the last number; 0 where there is none or the file is damaged."""
        try:
            text = self._path.read_bytes()[: _DIGITS + 1]
        except OSError:
            return 0
        number = int(text) if text.strip().isdigit() else 0
        return number if number < SEQUENCE_MAX else 0

    def write(self, sequence: int) -> None:
        """Note a number; where the disk refuses, the one before stays."""
        with contextlib.suppress(OSError):
            if self._file is None:
                self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            os.pwrite(self._file, b"%0*d\n" % (_DIGITS, sequence), 0)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
