"""Translation of errors: temporary failure of the disk, or damage in the database."""

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

_FULL_BYTES = 1 << 20  # with less, SQLite cannot create its files and reports an I/O error
_MARGINS = 16  # parts of the free room; one of them is how much the history may grow between two upkeeps
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
"""Words of SQLite's errors with a cause outside the database, with the remedy."""


class DiskRefusal(StorageError):  # noqa: N818 - as the tree of edge.errors
    """A temporary refusal by the disk, or by another program that locks the database."""


class IoFailure(DiskRefusal):
    """A failed read or write, of the disk or of a file beside the database."""


class DatabaseDamage(StorageError):  # noqa: N818 - as the tree of edge.errors
    """Damage in the database itself."""


@contextlib.contextmanager
def translate_errors(path: Path, doing: str) -> Iterator[None]:
    """Turn errors of SQLite and the system into a `StorageError`; programming errors pass through."""
    try:
        yield
    except OSError as exc:
        raise translate_os_error(exc, path, doing) from exc
    except UnicodeDecodeError as exc:  # SQLite quotes the damaged text
        msg = f"it cannot be {doing}: it is damaged"
        raise DatabaseDamage(msg, where=path) from exc
    except sqlite3.Error as exc:
        if isinstance(exc, (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError)):
            raise  # the values or the use of a statement are wrong
        why = reason_of(exc)
        remedy = _find_remedy(why, path)
        if remedy is None:
            msg = f"it cannot be {doing}: {why}"
            raise DatabaseDamage(msg, where=path, remedy="it is checked, and moved aside if it is damaged") from exc
        msg = f"it cannot be {doing}: {why}"
        raise (IoFailure if remedy == _CHECK else DiskRefusal)(msg, where=path, remedy=remedy) from exc


def translate_os_error(exc: OSError, path: Path, doing: str) -> StorageError:
    """Return the `StorageError` for a system error at `path`."""
    remedy = ROOM if exc.errno in DISK_FULL else "check the disk and the folder's permissions"
    kind = DiskRefusal if exc.errno in _DISK else StorageError
    return kind(f"it cannot be {doing}: {reason_of(exc)}", where=path, remedy=remedy)


def is_damage(exc: sqlite3.Error) -> bool:
    """Return whether an error of a correct statement means that the database is damaged."""
    return _find_remedy(str(exc)) is None


def free_bytes(path: Path) -> int:
    """Return the free bytes of the disk at `path`, or at its nearest existing parent."""
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
    """Return how many bytes clips may use; a negative number must be freed.

    The history keeps some `margins` more than `min_free_mb`: else the node is not ready as soon as the history grows.
    """
    return free_bytes(path) - (min_free_mb << 20) * (_MARGINS + margins) // _MARGINS


def _find_remedy(why: str, path: Path | None = None) -> str | None:
    """Return the remedy of an error with a cause outside the database; None for damage."""
    remedy = next((remedy for words, remedy in _MESSAGES.items() if words in why), None)
    if remedy and path and remedy != _LOCKED and free_bytes(path.parent.absolute()) < _FULL_BYTES:
        return ROOM if remedy == ROOM else f"the disk is full: {ROOM}"
    return remedy
