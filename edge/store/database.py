"""The SQLite file and its connections."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from typing import TYPE_CHECKING

from edge.errors import StorageError
from edge.store.damage import move_aside, salvage
from edge.store.faults import DatabaseDamage, IoFailure, is_damage, translate_errors
from edge.store.opening import connect, has_content, open_and_check, prepare, reindex
from edge.store.schema import read_tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = logging.getLogger("tocsin.store")

_AGAIN_S = 3600.0  # damage found again within this time was not repaired


class Database:
    """A database file with two writing connections and a pool of reading ones.

    `writer` makes every commit durable. `relaxed` leaves that to the next durable commit: after a power cut its last
    transactions may be undone, but never in part. Both write under `lock`, which its owner may hold for longer. All
    connections return text as bytes, so that a damaged row can be read.
    """

    def __init__(self, path: Path) -> None:
        """Take the path of the file; `open` opens it."""
        self.path = path
        self.lock = threading.RLock()
        self.is_open = False
        self.suspect = False
        """Whether damage was found since the whole file was checked."""
        self.failed = False
        """Whether a read or write failed since the file was opened."""
        self._idle: list[sqlite3.Connection] = []
        self._pool_lock = threading.Lock()
        self._generation = 0
        self._closed = False
        self.is_replacement = False
        """Whether the open file was created in place of a damaged or lost one."""
        self._damaged_path: Path | None = None  # a damaged file whose rows were not copied yet
        self._repaired_s = -_AGAIN_S
        self._inode = 0

    def open(self) -> None:
        """Open or create the file, or open it again; raises `StorageError`.

        A damaged file is renamed and replaced by a new one.
        """
        with self.lock, translate_errors(self.path, "opened"):
            self._disconnect()
            with contextlib.ExitStack() as opened:
                self.writer = opened.enter_context(contextlib.closing(self._open_or_replace()))
                self.relaxed = opened.enter_context(contextlib.closing(connect(self.path)))
                self.relaxed.execute("PRAGMA synchronous = NORMAL")
                self._inode = self.path.stat().st_ino
                self.is_open, self.suspect, self.failed = True, False, False
                opened.pop_all()

    def repair(self) -> None:
        """Open the file again after damage was found: rebuild its indices, or replace it."""
        with self.lock, translate_errors(self.path, "repaired"):
            self._disconnect()
            now_s = time.monotonic()
            again, self._repaired_s = now_s - self._repaired_s < _AGAIN_S, now_s
            if has_content(self.path):
                try:
                    reindex(self.path, again=again)
                except sqlite3.Error as exc:
                    if not is_damage(exc):
                        raise
                    self._move_aside(exc)
            self.open()

    @property
    def was_removed(self) -> bool:
        """Whether another program has removed or replaced the open file."""
        try:
            return self.is_open and self.path.stat().st_ino != self._inode
        except OSError:
            return True

    @contextlib.contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Yield a connection inside a transaction; an exception rolls it back."""
        with self.lock, self._note_failures("written"):
            self._check_open()
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
    def reader(self) -> Iterator[sqlite3.Connection]:
        """Yield a read-only connection; each statement sees one state of the database."""
        with self._note_failures("read"):
            with self._pool_lock:
                self._check_open()
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
        """Return up to `pages` unused pages to the disk."""
        with self.lock, self._note_failures("written"):
            self._check_open()
            # `execute` takes one step of a statement without rows, and a step is a page; a script takes all of them.
            self.relaxed.executescript(f"PRAGMA incremental_vacuum({pages:d})")

    def close(self) -> None:
        """Close every connection for good; the log file is then merged into the database."""
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
            with contextlib.suppress(sqlite3.Error):  # closing a damaged file may fail
                connection.close()

    def _check_open(self) -> None:
        if self._closed:
            msg = "the database is closed: the service is stopping"
            raise StorageError(msg, where=self.path)
        if not self.is_open:
            msg = "the database is not open"
            raise StorageError(msg, where=self.path, remedy="see the log")

    @contextlib.contextmanager
    def _note_failures(self, doing: str) -> Iterator[None]:
        try:
            with translate_errors(self.path, doing):
                yield
        except DatabaseDamage:
            self.suspect = True
            raise
        except IoFailure:
            self.failed = True
            raise

    def _open_or_replace(self) -> sqlite3.Connection:
        """Return a writing connection to a checked file, or to a new one."""
        log_file = self.path.with_name(self.path.name + "-wal")
        if has_content(self.path):
            try:
                connection, version = open_and_check(self.path)
            except sqlite3.Error as exc:  # also if an index cannot be rebuilt because its values are not unique
                if not is_damage(exc):
                    raise
                self._move_aside(exc)
            else:
                return prepare(connection, version)
        elif self.path.exists() or has_content(log_file):  # as after a power cut
            aside = move_aside(self.path) if has_content(log_file) else None  # SQLite would delete the log
            kept = f", its log is now {aside.name}-wal" if aside else ""
            log.warning("%s is empty or missing%s; a new history is begun", self.path, kept)
            self.is_replacement = True
        connection = prepare(connect(self.path), 0)
        if self._damaged_path is not None:
            self._salvage(self._damaged_path, connection)
        return connection

    def _move_aside(self, exc: sqlite3.Error) -> None:
        self._damaged_path = move_aside(self.path) or self._damaged_path
        log.error(
            "%s is damaged (%s) and is now %s; a new history is begun",
            self.path,
            " ".join(str(exc).split()),
            "gone" if self._damaged_path is None else self._damaged_path.name,
        )

    def _salvage(self, aside: Path, connection: sqlite3.Connection) -> None:
        copied, highest = salvage(aside, connection)
        connection.execute("DELETE FROM sqlite_sequence WHERE name = 'events'")
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?)", [highest])
        self._damaged_path, self.is_replacement = None, True
        log.info("%d messages that waited for the broker are taken over from %s", copied, aside.name)


def read_state(database: Database, key: str) -> str | None:
    """Return a state, also from a file that cannot be opened for writing; raises `StorageError`."""
    query = "SELECT value FROM state WHERE key = ?"
    if database.is_open:
        with database.reader() as connection:
            row = connection.execute(query, [key]).fetchone()
    elif database.path.exists():
        with (
            translate_errors(database.path, "read"),
            contextlib.closing(connect(database.path, "?immutable=1")) as connection,
        ):
            if not read_tables(connection):  # the disk was full when the file was created
                return None
            row = connection.execute(query, [key]).fetchone()
    else:
        return None
    return None if row is None else str(row[0].decode())
