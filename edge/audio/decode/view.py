"""Two ways to look at a file: pieces of it as the one file that libsndfile reads, and here and there by place."""

from __future__ import annotations

import itertools
import os
from bisect import bisect_right
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import re
    from collections.abc import Sequence

    from edge.audio.decode.effort import Effort

    Piece = bytes | tuple[int, int]
    """Bytes, or where a part of the file begins and ends."""


_AHEAD_BYTES, _WINDOW_BYTES = 1 << 16, 1 << 18


class View:
    """A file put together from pieces, without a copy. Its calls never raise: C code cannot see an exception."""

    def __init__(self, file: BinaryIO, pieces: Sequence[Piece], effort: Effort) -> None:
        """Take the pieces in their order; `file` stays the caller's to close. Where `effort` is too much, it ends."""
        self._file, self._pieces, self.effort = file, pieces, effort
        self._ends = list(itertools.accumulate(_size(piece) for piece in pieces))
        self._position, self._begin, self._data = 0, 0, b""
        self.size = self._ends[-1] if self._ends else 0

    @property
    def begin(self) -> int:
        """Where in the file its first part begins."""
        return next((piece[0] for piece in self._pieces if not isinstance(piece, bytes)), 0)

    @property
    def reached(self) -> int:
        """How far into the file the last reading went."""
        index = bisect_right(self._ends, max(0, self._position - 1))
        for piece in reversed(self._pieces[: index + 1]):
            if not isinstance(piece, bytes):
                left = max(0, self._ends[index] - self._position)
                return piece[1] - left
        return 0

    def readinto(self, buffer: memoryview) -> int:
        """Fill `buffer` with what comes next; return how many bytes that were, fewer at the end alone."""
        wanted, done = len(buffer), 0
        while done < wanted:
            # libmpg123 asks for a few bytes at a time, so they are read in advance.
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
        """Go to a place; one before the beginning is no place, and nothing happens."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}.get(whence, 0)
        if base + offset >= 0:
            self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Return the place."""
        return self._position

    def _read(self, count: int) -> bytes:
        if self._position >= self.size or self.effort.too_much:
            return b""
        index = bisect_right(self._ends, self._position)
        piece = self._pieces[index]
        begin = self._position - (self._ends[index] - _size(piece))
        if isinstance(piece, bytes):
            return piece[begin : begin + count]
        try:
            self._file.seek(piece[0] + begin)
            return self._file.read(min(count, piece[1] - piece[0] - begin))
        except (OSError, ValueError):
            return b""


class Window:
    """A file that is looked at here and there, read in large steps."""

    def __init__(self, file: BinaryIO) -> None:
        """Take the file, which stays the caller's."""
        self._file = file
        self.begin, self.data = 0, b""

    def at(self, position: int, count: int) -> bytes:
        """Return bytes of the file, fewer at its end; `data` then holds them and more, from `begin`."""
        offset = position - self.begin
        if offset < 0 or offset + count > len(self.data):
            self._file.seek(position)
            self.begin, self.data, offset = position, self._file.read(max(count, _WINDOW_BYTES)), 0
        return self.data[offset : offset + count]

    def find(self, wanted: re.Pattern[bytes], length: int, position: int, size: int) -> int | None:
        """Return where there is a match, of this length, at or behind `position`; None when none is in `size` bytes."""
        while position < size:
            self.at(position, min(length, size - position))
            found = wanted.search(self.data, position - self.begin, size - self.begin)
            if found:
                return self.begin + found.start()
            position = max(position, self.begin + len(self.data) - length) + 1
        return None


def _size(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]
