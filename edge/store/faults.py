"""What the errors of SQLite and of the system mean: the disk does not allow it now, or the database is bad."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from typing import TYPE_CHECKING

from edge.errors import DISK_FULL, StorageError, reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FULL_BYTES = 1 << 20  # with less than this, SQLite cannot make its files, and calls that an I/O error
_MARGINS = 16  # in what is left free: how much the history may grow between two upkeeps
_DISK = (*DISK_FULL, errno.EROFS, errno.EIO)
ROOM = "make room on the disk"
"""The remedy for a full disk."""
_LOCKED = "end the other program that has it open"
_CHECK = "check the disk"
_MESSAGES = {
    "locked": _LOCKED,
    "busy": _LOCKED,
    "full": ROOM,
    "readonly": "check whether the disk is mounted read-only, and the folder's permissions",
    "I/O error": _CHECK,
    "unable to open": "check the disk and the folder's permissions",
}
"""Words of SQLite's errors that come from outside of the database, with the remedy."""


class DiskRefusal(StorageError):  # noqa: N818 - as the tree of edge.errors
    """The disk, or whoever else uses the database, does not allow it at the moment; later it may."""


class IoFailure(DiskRefusal):
    """A read or write failed: the disk is bad, or what SQLite keeps beside the database, which it makes anew."""


class Damaged(StorageError):  # noqa: N818 - as the tree of edge.errors
    """The database itself is bad."""


@contextlib.contextmanager
def translated(path: Path, doing: str) -> Iterator[None]:
    """Turn SQLite's and the system's errors into a `StorageError` of one line; our own mistakes go through."""
    try:
        yield
    except OSError as exc:
        raise system_error(exc, path, doing) from exc
    except UnicodeDecodeError as exc:  # SQLite quotes what is damaged
        msg = f"it cannot be {doing}: it is damaged"
        raise Damaged(msg, where=path) from exc
    except sqlite3.Error as exc:
        if _is_mistake(exc):
            raise
        why = reason_of(exc)
        remedy = _remedy(why, path)
        if remedy is None:
            msg = f"it cannot be {doing}: {why}"
            raise Damaged(msg, where=path, remedy="it is checked, and moved aside if it is damaged") from exc
        msg = f"it cannot be {doing}: {why}"
        raise (IoFailure if remedy == _CHECK else DiskRefusal)(msg, where=path, remedy=remedy) from exc


def system_error(exc: OSError, path: Path, doing: str) -> StorageError:
    """Return what a system's error means for `path`."""
    remedy = ROOM if exc.errno in DISK_FULL else "check the disk and the folder's permissions"
    kind = DiskRefusal if exc.errno in _DISK else StorageError
    return kind(f"it cannot be {doing}: {reason_of(exc)}", where=path, remedy=remedy)


def is_damage(exc: sqlite3.Error) -> bool:
    """Return whether an error of a statement that is right in itself says that the database is bad."""
    return _remedy(str(exc)) is None


def free_bytes(path: Path) -> int:
    """Return how much room the disk has under `path`, or under what is left of the way there."""
    while True:
        try:
            room = os.statvfs(path)
        except OSError:
            if path == path.parent:
                raise
            path = path.parent
        else:
            return room.f_bavail * room.f_frsize


def spare_bytes(path: Path, min_free_mb: int, margins: int = 1) -> int:
    """Return how much of the disk may be taken from the history; less than 0 where so much is to be given back.

    Some `margins` more than `min_free_mb` are left to it: else the node is not ready as soon as the history grows.
    """
    return free_bytes(path) - (min_free_mb << 20) * (_MARGINS + margins) // _MARGINS


def _is_mistake(exc: sqlite3.Error) -> bool:
    """Return whether it is about the values or the use of a statement."""
    return isinstance(exc, (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError))


def _remedy(why: str, path: Path | None = None) -> str | None:
    """Return what to do about an error from outside of the database; None for damage."""
    remedy = next((remedy for words, remedy in _MESSAGES.items() if words in why), None)
    if remedy and path and remedy != _LOCKED and free_bytes(path.parent.absolute()) < _FULL_BYTES:
        return ROOM if remedy == ROOM else f"the disk is full: {ROOM}"
    return remedy
