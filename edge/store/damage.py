"""Recovery from a damaged database: the file is renamed, and its readable rows are copied."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from edge.store.sequence import SEQUENCE_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_COPIES_MAX = 2  # damaged files that stay: a failing disk must not fill up with them
_SUFFIXES = ("", "-wal", "-shm")
_UNREADABLE = (sqlite3.Error, UnicodeDecodeError)  # SQLite quotes the damaged text
_CHUNK = 500  # rows in one transaction
_HIGHEST = (
    "SELECT seq FROM sqlite_sequence WHERE name = 'events'",
    "SELECT max(sequence) FROM events",
    "SELECT max(last_sequence) FROM sounds",
    "SELECT max(sequence) FROM outbox",
)


def move_aside(path: Path) -> Path | None:
    """Rename a database and its log files; return the new path, if any file existed.

    Of the files renamed earlier only the newest stay.
    """
    aside = path.with_name(f"{path.name}.corrupt-{datetime.now(timezone.utc):%Y%m%dT%H%M%S.%fZ}")
    found = False
    for suffix in _SUFFIXES:
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
            found = True
    files = path.parent.glob(f"{path.name}.corrupt-*")
    earlier = sorted({file.name.removesuffix("-wal").removesuffix("-shm") for file in files} - {aside.name})
    for old in earlier[: 1 - _COPIES_MAX]:  # never the new one, whose name sorts first if the clock is wrong
        for suffix in _SUFFIXES:
            path.with_name(old + suffix).unlink(missing_ok=True)
    return aside if found else None


def find_highest_sequence(connection: sqlite3.Connection) -> int:
    """Return the highest sequence in a database; unreadable rows do not count."""
    highest = 0
    for query in _HIGHEST:
        with contextlib.suppress(*_UNREADABLE):
            for (number,) in connection.execute(query):
                if isinstance(number, int) and number < SEQUENCE_MAX:
                    highest = max(highest, number)
    return highest


def salvage(aside: Path, connection: sqlite3.Connection) -> tuple[int, int]:
    """Copy the readable rows of outbox and states from a damaged database.

    Return the number of messages, and the highest sequence in the damaged database. Rows copied before are left
    alone. Raises `sqlite3.Error` if `connection`, the new database, cannot be written.
    """
    with contextlib.closing(_open_damaged(aside)) as damaged:
        highest = find_highest_sequence(damaged)
        _copy(connection, "INSERT OR IGNORE INTO state (key, value) VALUES (?, ?)", _read_states(damaged))
        statement = "INSERT OR IGNORE INTO outbox (sequence, topic, payload, queued_s) VALUES (?, ?, ?, ?)"
        return _copy(connection, statement, _read_outbox(damaged)), highest


def _open_damaged(aside: Path) -> sqlite3.Connection:
    # Without a log file it is opened as immutable, so that nothing is written to it.
    mode = "mode=ro" if aside.with_name(aside.name + "-wal").exists() else "immutable=1"
    connection = sqlite3.connect(f"{aside.absolute().as_uri()}?{mode}", uri=True, isolation_level=None)
    connection.text_factory = bytes
    return connection


def _read_states(damaged: sqlite3.Connection) -> Iterator[tuple[object, ...]]:
    for key, value in _read_rows(damaged, "SELECT key, value FROM state ORDER BY key"):
        if isinstance(key, bytes) and isinstance(value, bytes):
            with contextlib.suppress(UnicodeDecodeError):
                yield key.decode(), value.decode()


def _read_outbox(damaged: sqlite3.Connection) -> Iterator[tuple[object, ...]]:
    for sequence, topic, payload, queued_s in _read_rows(
        damaged, "SELECT sequence, topic, payload, queued_s FROM outbox ORDER BY sequence"
    ):
        if 0 < sequence < SEQUENCE_MAX and isinstance(topic, bytes) and isinstance(payload, bytes):
            with contextlib.suppress(UnicodeDecodeError):
                yield sequence, topic.decode(), payload, queued_s if isinstance(queued_s, float) else 0.0


def _read_rows(damaged: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows before the first damaged page, then those after the last one, backwards."""
    seen = set()
    for order in ("", " DESC"):
        with contextlib.suppress(*_UNREADABLE):
            for row in damaged.execute(query + order):
                if row[0] in seen:
                    return
                seen.add(row[0])
                yield row
            return


def _copy(connection: sqlite3.Connection, statement: str, rows: Iterator[tuple[object, ...]]) -> int:
    before = connection.total_changes
    while chunk := list(itertools.islice(rows, _CHUNK)):
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(statement, chunk)
    return connection.total_changes - before
