"""Suppression of error output from C libraries.

libmpg123, in libsndfile, writes messages about a damaged MP3 to the C library's `stderr`, and libsndfile cannot switch
them off. Therefore the variable `stderr` is replaced while libsndfile works. Unlike a redirection of descriptor 2, this
does not affect Python or the log of other threads: they write to the descriptor, not through this variable.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import platform
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_lock = threading.Lock()
_users = 0
_original: int | None = None


@contextlib.contextmanager
def silence_stderr() -> Iterator[None]:
    """Discard the output of C code to its `stderr`; several threads may enter at once."""
    streams = _find_streams()
    if streams is None:
        yield
        return
    name, nowhere = streams
    _enter(name, nowhere)
    try:
        yield
    finally:
        _leave(name)


def _enter(name: ctypes.c_void_p, nowhere: int) -> None:
    global _users, _original  # noqa: PLW0603 - the process has one `stderr`
    with _lock:
        if not _users:
            _original, name.value = name.value, nowhere
        _users += 1


def _leave(name: ctypes.c_void_p) -> None:
    global _users  # noqa: PLW0603 - as above
    with _lock:
        _users -= 1
        if not _users:
            name.value = _original


@functools.cache
def _find_streams() -> tuple[ctypes.c_void_p, int] | None:
    """Return the C variable `stderr` and a stream to /dev/null; None without such a variable."""
    if platform.libc_ver()[0] != "glibc":  # in other C libraries it is a constant
        return None
    try:
        library = ctypes.CDLL(None)
        library.fopen.restype = ctypes.c_void_p
        nowhere = library.fopen(os.fsencode(os.devnull), b"w")
        return (ctypes.c_void_p.in_dll(library, "stderr"), nowhere) if nowhere else None
    except (OSError, ValueError, AttributeError):
        return None
