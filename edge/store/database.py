"""The SQLite file and its connections: opened, mended while it runs, and closed."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from typing import TYPE_CHECKING

from edge.errors import StorageError
from edge.store.damage import move_aside, take_over
from edge.store.faults import Damaged, IoFailure, is_damage, translated
from edge.store.opening import connect, holds_something, migrated, open_checked, reindex
from edge.store.schema import tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = logging.getLogger("tocsin.store")

_AGAIN_S = 3600.0  # damage that is met again sooner than this after a mend was not mended


class Database:
    """The file with one connection that writes, one that crosses off, and as many that read as are needed at a time.

    `writer` makes every commit durable. `relaxed` leaves that to the next durable commit: after a power cut its last
    changes may be undone, never torn. Both write under `lock`, which its owner may hold for longer. All of them give
    text as bytes, so that a row is read whatever is in it.
    """

    def __init__(self, path: Path) -> None:
        """Take where the file is or will be; it is opened by `open`."""
        self.path = path
        self.lock = threading.RLock()
        self.is_open = False
        self.suspect = False
        """Whether damage was met since the last look at the whole file."""
        self.failed = False
        """Whether a read or write failed since the file was opened."""
        self._idle: list[sqlite3.Connection] = []
        self._pool_lock = threading.Lock()
        self._generation = 0
        self._closed = False
        self.is_successor = False
        """Whether the file was begun, this time, in the place of one that was damaged or is lost."""
        self._aside: Path | None = None  # a damaged file of which nothing was taken over yet
        self._mended_s = -_AGAIN_S
        self._inode = 0

    def open(self) -> None:
        """Open or create the file, anew if it is open; what is damaged is moved aside. Raises `StorageError`."""
        with self.lock, translated(self.path, "opened"):
            self._disconnect()
            with contextlib.ExitStack() as opened:
                self.writer = opened.enter_context(contextlib.closing(self._open_sound()))
                self.relaxed = opened.enter_context(contextlib.closing(connect(self.path)))
                self.relaxed.execute("PRAGMA synchronous = NORMAL")
                self._inode = self.path.stat().st_ino
                self.is_open, self.suspect, self.failed = True, False, False
                opened.pop_all()

    def mend(self) -> None:
        """Open the file anew after damage was met: its indices are made again, or it is moved aside."""
        with self.lock, translated(self.path, "mended"):
            self._disconnect()
            now_s = time.monotonic()
            again, self._mended_s = now_s - self._mended_s < _AGAIN_S, now_s
            if holds_something(self.path):
                try:
                    reindex(self.path, again=again)
                except sqlite3.Error as exc:
                    if not is_damage(exc):
                        raise
                    self._set_aside(exc)
            self.open()

    @property
    def was_taken_away(self) -> bool:
        """Whether somebody has removed or replaced the open file."""
        try:
            return self.is_open and self.path.stat().st_ino != self._inode
        except OSError:
            return True

    @contextlib.contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Yield a connection inside a transaction that is committed at the end, or undone by an exception."""
        with self.lock, self._watched("written"):
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
        with self._watched("read"):
            with self._pool_lock:
                self._refuse_when_closed()
                generation = self._generation
                connection = self._idle.pop() if self._idle else None
            connection = connection or connect(self.path, "?mode=ro")
            try:
                yield connection
            finally:
                with self._pool_lock:
                    if generation != self._generation:
                        connection.close()
                    else:
                        self._idle.append(connection)

    def shrink(self, pages: int) -> None:
        """Give up to so many pages that are no longer used back to the disk."""
        with self.lock, self._watched("written"):
            self._refuse_when_closed()
            # As a script, because `execute` takes one step of a statement without rows, and a step is a page.
            self.relaxed.executescript(f"PRAGMA incremental_vacuum({pages:d})")

    def close(self) -> None:
        """Close every connection, for good; what is written is in the one file then."""
        with self.lock:
            self._closed = True
            self._disconnect()

    def _disconnect(self) -> None:
        with self._pool_lock:
            connections = [*self._idle]
            if self.is_open:
                connections += [self.relaxed, self.writer]
            self.is_open = False
            self._generation += 1
            self._idle.clear()
        for connection in connections:
            with contextlib.suppress(sqlite3.Error):  # a bad file may not even be closed
                connection.close()

    def _refuse_when_closed(self) -> None:
        if self._closed:
            msg = "the database is closed: the service is stopping"
            raise StorageError(msg, where=self.path)
        if not self.is_open:
            msg = "the database is not open"
            raise StorageError(msg, where=self.path, remedy="see the log")

    @contextlib.contextmanager
    def _watched(self, doing: str) -> Iterator[None]:
        try:
            with translated(self.path, doing):
                yield
        except Damaged:
            self.suspect = True
            raise
        except IoFailure:
            self.failed = True
            raise

    def _open_sound(self) -> sqlite3.Connection:
        """Return the writing connection to a file that is sound, be it a new one."""
        log_file = self.path.with_name(self.path.name + "-wal")
        if holds_something(self.path):
            try:
                connection, version = open_checked(self.path)
            except sqlite3.Error as exc:  # be it that an index cannot be made again, for its values are not distinct
                if not is_damage(exc):
                    raise
                self._set_aside(exc)
            else:
                return migrated(connection, version)
        elif self.path.exists() or holds_something(log_file):  # as a power cut may leave them
            aside = move_aside(self.path) if holds_something(log_file) else None  # SQLite would remove the log
            kept = f", its log is now {aside.name}-wal" if aside else ""
            log.warning("%s is empty or missing%s; a new history is begun", self.path, kept)
            self.is_successor = True
        connection = migrated(connect(self.path), 0)
        if self._aside is not None:
            self._take_over(self._aside, connection)
        return connection

    def _set_aside(self, exc: sqlite3.Error) -> None:
        self._aside = move_aside(self.path) or self._aside
        log.error(
            "%s is damaged (%s) and is now %s; a new history is begun",
            self.path,
            " ".join(str(exc).split()),
            "gone" if self._aside is None else self._aside.name,
        )

    def _take_over(self, aside: Path, connection: sqlite3.Connection) -> None:
        copied, highest = take_over(aside, connection)
        connection.execute("DELETE FROM sqlite_sequence WHERE name = 'events'")
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?)", [highest])
        self._aside, self.is_successor = None, True
        log.info("%d messages that waited for the broker are taken over from %s", copied, aside.name)


def read_state(database: Database, key: str) -> str | None:
    """Return a state, also of a file that cannot be opened to be written; raises `StorageError`."""
    query = "SELECT value FROM state WHERE key = ?"
    if database.is_open:
        with database.reading() as connection:
            row = connection.execute(query, [key]).fetchone()
    elif database.path.exists():
        with (
            translated(database.path, "read"),
            contextlib.closing(connect(database.path, "?immutable=1")) as connection,
        ):
            if not tables(connection):  # a full disk did not let it be made
                return None
            row = connection.execute(query, [key]).fetchone()
    else:
        return None
    return None if row is None else str(row[0].decode())
