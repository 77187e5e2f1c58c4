"""Access to a file: as one file made of pieces, or buffered by position."""

from __future__ import annotations

import itertools
import os
from bisect import bisect_right
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import re
    from collections.abc import Sequence

    from edge.audio.decode.cpubudget import CpuBudget

    Piece = bytes | tuple[int, int]
    """Bytes, or the begin and end of a part of the file."""


_AHEAD_BYTES, _WINDOW_BYTES = 1 << 16, 1 << 18


class View:
    """File made of pieces, without a copy.

    Its methods do not raise exceptions, because they are called by C code.
    """

    def __init__(self, file: BinaryIO, pieces: Sequence[Piece], budget: CpuBudget) -> None:
        """Take the pieces in order; the caller closes `file`.

        When `budget` is exhausted, the view ends.
        """
        self._file, self._pieces, self.budget = file, pieces, budget
        self._ends = list(itertools.accumulate(_measure(piece) for piece in pieces))
        self._position, self._begin, self._data = 0, 0, b""
        self.size = self._ends[-1] if self._ends else 0

    @property
    def begin(self) -> int:
        """Position of its first part in the file."""
        return next((piece[0] for piece in self._pieces if not isinstance(piece, bytes)), 0)

    @property
    def reached(self) -> int:
        """Position in the file after the last read."""
        index = bisect_right(self._ends, max(0, self._position - 1))
        for piece in reversed(self._pieces[: index + 1]):
            if not isinstance(piece, bytes):
                left = max(0, self._ends[index] - self._position)
                return piece[1] - left
        return 0

    def readinto(self, buffer: memoryview) -> int:
        """Fill `buffer` with the next bytes; return their number, less only at the end."""
        wanted, done = len(buffer), 0
        while done < wanted:
            # libmpg123 requests a few bytes at a time, so more are read in advance.
            begin = self._position - self._begin
            if not 0 <= begin < len(self._data):
                self._begin, self._data, begin = self._position, self._read(_AHEAD_BYTES), 0
                if not self._data:
                    break
            data = self._data[begin : begin + wanted - done]
            buffer[done : done + len(data)] = data
            done += len(data)
            self._position += len(data)
        return done

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position; one before the beginning is ignored."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}.get(whence, 0)
        if base + offset >= 0:
            self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def _read(self, count: int) -> bytes:
        if self._position >= self.size or self.budget.exhausted:
            return b""
        index = bisect_right(self._ends, self._position)
        piece = self._pieces[index]
        begin = self._position - (self._ends[index] - _measure(piece))
        if isinstance(piece, bytes):
            return piece[begin : begin + count]
        try:
            self._file.seek(piece[0] + begin)
            return self._file.read(min(count, piece[1] - piece[0] - begin))
        except (OSError, ValueError):
            return b""


class ScanBuffer:
    """Buffer for access to a file by position, filled in large steps."""

    def __init__(self, file: BinaryIO) -> None:
        """Take the file; the caller closes it."""
        self._file = file
        self.begin, self.data = 0, b""

    def fetch(self, position: int, count: int) -> bytes:
        """Return `count` bytes from `position`, fewer at the end of the file.

        Then `data` has these and more bytes, from `begin`.
        """
        offset = position - self.begin
        if offset < 0 or offset + count > len(self.data):
            self._file.seek(position)
            self.begin, self.data, offset = position, self._file.read(max(count, _WINDOW_BYTES)), 0
        return self.data[offset : offset + count]

    def find(self, wanted: re.Pattern[bytes], length: int, position: int, size: int) -> int | None:
        """Return the position of the first match from `position` on; None without one.

        `length` is the length of a match, `size` that of the file.
        """
        while position < size:
            self.fetch(position, min(length, size - position))
            found = wanted.search(self.data, position - self.begin, size - self.begin)
            if found:
                return self.begin + found.start()
            position = max(position, self.begin + len(self.data) - length) + 1
        return None


def _measure(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]
