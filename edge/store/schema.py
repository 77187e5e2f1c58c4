"""The tables, as a row of migrations; `PRAGMA user_version` counts those that are done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.errors import StorageError

if TYPE_CHECKING:
    import sqlite3

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # A message a row. AUTOINCREMENT remembers the last number even when retention has removed its row.
        """CREATE TABLE events (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT,
            event_id TEXT NOT NULL,
            message TEXT NOT NULL
        )""",
        "CREATE INDEX events_by_event ON events (event_id)",
        # An event a row: what the history filters by, and which of its messages is the last.
        """CREATE TABLE sounds (
            sequence INTEGER PRIMARY KEY,
            event_id TEXT NOT NULL UNIQUE,
            last_sequence INTEGER NOT NULL,
            label TEXT NOT NULL,
            source_name TEXT NOT NULL,
            onset_ms INTEGER NOT NULL,
            peak_score REAL NOT NULL,
            ended INTEGER NOT NULL
        )""",
        "CREATE INDEX sounds_by_onset ON sounds (onset_ms)",
        "CREATE INDEX sounds_by_label ON sounds (label, onset_ms)",
        "CREATE INDEX sounds_by_source ON sounds (source_name, onset_ms)",
        "CREATE INDEX sounds_open ON sounds (last_sequence) WHERE NOT ended",
        # A copy of the message, so that the broker's absence and the history's retention are strangers to each other.
        """CREATE TABLE outbox (
            sequence INTEGER PRIMARY KEY,
            topic TEXT NOT NULL,
            payload BLOB NOT NULL,
            queued_s REAL NOT NULL
        )""",
        "CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    ),
)
"""Each is applied whole or not at all. One that was released is never changed; a new one is put behind it."""


def migrate(connection: sqlite3.Connection, name: str) -> None:
    """Bring a database up to date; raises `StorageError` when a newer Tocsin has written it."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        msg = f"{name} was written by a newer Tocsin; install that one again, or set storage.path to another folder"
        raise StorageError(msg)
    for number, statements in enumerate(MIGRATIONS[version:], version + 1):
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number:d}")
