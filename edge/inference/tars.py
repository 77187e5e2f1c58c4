"""Tar archives that nobody vouches for, read from front to back without holding what their headers ask for."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import tarfile
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEADER_BYTES = 64 << 10
"""Of all headers before a file: long names and attributes included."""
_MAGIC_BYTES = 3
_GZIP, _BZIP2 = b"\x1f\x8b", b"BZh"


class NoTar(Exception):  # noqa: N818 - it says what is wrong without the suffix
    """The file is something else."""


class LimitedStream:
    """A stream that gives out so many bytes and no more, until it is allowed others."""

    def __init__(self, stream: IO[bytes]) -> None:
        """Allow what the headers of one file may take."""
        self._stream = stream
        self._left = _HEADER_BYTES

    def allow(self, size: int) -> None:
        """Let `size` bytes be read from now on, and what the headers of one file take."""
        self._left = size + _HEADER_BYTES

    def read(self, size: int) -> bytes:
        """Return bytes; raises `tarfile.TarError` for more than are allowed."""
        self._left -= size
        if self._left < 0:
            msg = f"a header of more than {_HEADER_BYTES >> 10} KiB"
            raise tarfile.TarError(msg)
        return self._stream.read(size)

    def seek(self, position: int) -> int:
        """Go to a place."""
        return self._stream.seek(position)

    def tell(self) -> int:
        """Return the place."""
        return self._stream.tell()


@contextlib.contextmanager
def open_tar(path: Path) -> Iterator[tuple[tarfile.TarFile, LimitedStream]]:
    """Open an archive, plain or packed by gzip or bzip2, with the stream that it is read from.

    Raises `NoTar` for anything else, and for one packed by xz, whose unpacking may want any amount of memory.
    """
    with path.open("rb") as file:
        magic = file.read(_MAGIC_BYTES)
        file.seek(0)
        stream: IO[bytes] = file
        if magic.startswith(_GZIP):
            stream = cast("IO[bytes]", gzip.open(file))  # noqa: SIM115 - closed with the file
        elif magic.startswith(_BZIP2):
            stream = bz2.open(file)  # noqa: SIM115 - closed with the file
        budgeted = LimitedStream(stream)
        try:
            archive = tarfile.TarFile(fileobj=cast("IO[bytes]", budgeted))
        except tarfile.ReadError as exc:
            raise NoTar(str(exc)) from exc
        yield archive, budgeted
