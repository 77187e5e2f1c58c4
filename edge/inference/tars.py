"""Untrusted tar archives, read sequentially with bounded memory."""

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
"""Maximum size of the headers before a file, including long names and attributes."""
_MAGIC_BYTES = 3
_GZIP, _BZIP2 = b"\x1f\x8b", b"BZh"


class NoTar(Exception):  # noqa: N818 - not an error of the user's
    """An exception for a file that is not a tar archive."""


class LimitedStream:
    """A stream with a limit on the bytes that may be read."""

    def __init__(self, stream: IO[bytes]) -> None:
        """Allow the size of one file's headers."""
        self._stream = stream
        self._left = _HEADER_BYTES

    def allow(self, size: int) -> None:
        """Allow `size` further bytes and the size of one file's headers."""
        self._left = size + _HEADER_BYTES

    def read(self, size: int) -> bytes:
        """Read bytes; raises `tarfile.TarError` beyond the limit."""
        self._left -= size
        if self._left < 0:
            msg = f"a header of more than {_HEADER_BYTES >> 10} KiB"
            raise tarfile.TarError(msg)
        return self._stream.read(size)

    def seek(self, position: int) -> int:
        """Move to a position."""
        return self._stream.seek(position)

    def tell(self) -> int:
        """Return the position."""
        return self._stream.tell()


@contextlib.contextmanager
def open_tar(path: Path) -> Iterator[tuple[tarfile.TarFile, LimitedStream]]:
    """Open a plain, gzip or bzip2 archive; yield it with its limited stream.

    Raises `NoTar` for any other file, also for xz, whose decompression may need any amount of memory.
    """
    with path.open("rb") as file:
        magic = file.read(_MAGIC_BYTES)
        file.seek(0)
        stream: IO[bytes] = file
        if magic.startswith(_GZIP):
            stream = cast("IO[bytes]", gzip.open(file))  # noqa: SIM115 - closed with the file
        elif magic.startswith(_BZIP2):
            stream = bz2.open(file)  # noqa: SIM115 - closed with the file
        limited = LimitedStream(stream)
        try:
            archive = tarfile.TarFile(fileobj=cast("IO[bytes]", limited))
        except tarfile.ReadError as exc:
            raise NoTar(str(exc)) from exc
        yield archive, limited
