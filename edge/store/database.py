"""Opening the SQLite file, its connections, and what its errors mean."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from edge.errors import StorageError
from edge.store.schema import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = logging.getLogger("tocsin.store")

_BUSY_S = 5.0
_WAL_KEPT_BYTES = 4 << 20
_CORRUPT_KEPT = 2  # a failing disk must not fill itself with what it has spoilt


@contextlib.contextmanager
def translated(path: Path, doing: str) -> Iterator[None]:
    """Turn SQLite's and the system's refusals into a `StorageError` of one line; our own mistakes go through."""
    try:
        yield
    except (sqlite3.DatabaseError, OSError) as exc:
        if not (isinstance(exc, (sqlite3.OperationalError, OSError)) or _is_damage(exc)):
            raise
        why = getattr(exc, "strerror", None) or str(exc)
        full = "full" in why or "No space" in why
        mend = "make room on the disk" if full else "check the disk and the folder's permissions"
        msg = f"{path} cannot be {doing}: {why}; {mend}"
        raise StorageError(msg) from exc


class Database:
    """The file with one connection that writes, one that crosses off, and as many that read as are needed at a time.

    `writer` makes every commit durable. `relaxed` leaves that to the next durable commit: after a power cut its last
    changes may be undone, never torn. Both write under `lock`, which its owner may hold for longer.
    """

    def __init__(self, path: Path) -> None:
        """Open or create `path`; what is damaged is moved aside. Raises `StorageError`."""
        self.path = path
        self.lock = threading.RLock()
        self._idle: list[sqlite3.Connection] = []
        self._pool_lock = threading.Lock()
        self._closed = False
        with translated(path, "opened"):
            self.writer = _open_sound(path)
            self.relaxed = _connect(path)
            self.relaxed.execute("PRAGMA synchronous = NORMAL")

    @contextlib.contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Yield a connection inside a transaction that is committed at the end, or undone by an exception."""
        with self.lock, translated(self.path, "written"):
            self._refuse_when_closed()
            connection = self.writer if durable else self.relaxed
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # A full disk may have ended the transaction already.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection that can only read, and sees one state of the database throughout a statement."""
        with translated(self.path, "read"):
            with self._pool_lock:
                self._refuse_when_closed()
                connection = self._idle.pop() if self._idle else None
            connection = connection or _connect(self.path, read_only=True)
            try:
                yield connection
            finally:
                with self._pool_lock:
                    if self._closed:
                        connection.close()
                    else:
                        self._idle.append(connection)

    def shrink(self, pages: int) -> None:
        """Give up to so many pages that are no longer used back to the disk."""
        with self.lock, translated(self.path, "written"):
            self._refuse_when_closed()
            # As a script, because `execute` takes one step of a statement without rows, and a step is a page.
            self.relaxed.executescript(f"PRAGMA incremental_vacuum({pages:d})")

    def close(self) -> None:
        """Close every connection; what is written is in the one file then."""
        with self.lock, self._pool_lock:
            self._closed = True
            for connection in (*self._idle, self.relaxed, self.writer):
                connection.close()
            self._idle.clear()

    def _refuse_when_closed(self) -> None:
        if self._closed:
            msg = f"{self.path} is closed: the service is stopping"
            raise StorageError(msg)


def _is_damage(exc: Exception) -> bool:
    # Only a malformed file is told by the base class itself; the disk, constraints and our mistakes have their own.
    return type(exc) is sqlite3.DatabaseError


def _connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    uri = path.absolute().as_uri() + ("?mode=ro" if read_only else "")
    return sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)


def _open_sound(path: Path) -> sqlite3.Connection:
    try:
        return _open(path)
    except sqlite3.DatabaseError as exc:
        if not _is_damage(exc):
            raise
        aside = _move_aside(path)
        log.error(  # noqa: TRY400 - the trace says nothing about a broken disk
            "%s is damaged (%s) and is now %s; a new history is begun, and what waited in it for the broker is lost",
            path,
            " ".join(str(exc).split()),
            aside.name,
        )
    connection = _open(path)
    # Above every number that was given out before, as long as there was less than a message a second.
    connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?)", [int(time.time())])
    return connection


def _open(path: Path) -> sqlite3.Connection:
    """Return the writing connection, or raise `sqlite3.DatabaseError` for a damaged file."""
    connection = _connect(path)
    try:
        if not path.stat().st_size:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES:d}")
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(found)  # noqa: TRY301 - SQLite itself raises the same for other damage
        migrate(connection, str(path))
    except BaseException:
        connection.close()
        raise
    return connection


def _move_aside(path: Path) -> Path:
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
    aside = path.with_name(f"{path.name}.corrupt-{stamp}")
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    known = sorted(each for each in path.parent.glob(f"{path.name}.corrupt-*Z"))
    for old in known[:-_CORRUPT_KEPT]:
        for suffix in ("", "-wal", "-shm"):
            old.with_name(old.name + suffix).unlink(missing_ok=True)
    return aside
