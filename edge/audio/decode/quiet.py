"""The words of C libraries about recordings, kept off the terminal and out of the journal.

libmpg123, in libsndfile, writes its complaints about a damaged MP3 to the C library's `stderr`, and libsndfile has no
way to forbid it. What that name stands for is changed while libsndfile works. Unlike a redirection of descriptor 2
this touches neither Python nor the log of other threads: they write to the descriptor, not through this name.
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
_own: int | None = None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Send what C code writes through its `stderr` nowhere; may be entered by several threads at once."""
    streams = _streams()
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
    global _users, _own  # noqa: PLW0603 - they say what the process's one `stderr` stands for
    with _lock:
        if not _users:
            _own, name.value = name.value, nowhere
        _users += 1


def _leave(name: ctypes.c_void_p) -> None:
    global _users  # noqa: PLW0603 - as above
    with _lock:
        _users -= 1
        if not _users:
            name.value = _own


@functools.cache
def _streams() -> tuple[ctypes.c_void_p, int] | None:
    """Return the variable `stderr` and a stream to nowhere; None where the C library has no such variable."""
    if platform.libc_ver()[0] != "glibc":  # in others it is a constant
        return None
    try:
        library = ctypes.CDLL(None)
        library.fopen.restype = ctypes.c_void_p
        nowhere = library.fopen(os.fsencode(os.devnull), b"w")
        return (ctypes.c_void_p.in_dll(library, "stderr"), nowhere) if nowhere else None
    except (OSError, ValueError, AttributeError):
        return None
