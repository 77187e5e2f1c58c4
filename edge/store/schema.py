"""The tables, as a row of migrations; `PRAGMA user_version` counts those that are done."""

from __future__ import annotations

import contextlib
import sqlite3

from edge.errors import StorageError

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


_NEWER_MAX = 1000  # no Tocsin will have had so many migrations; beyond it, the number is damage


def check_version(connection: sqlite3.Connection, name: str) -> int:
    """Return how many migrations a database has had.

    Raises `StorageError` when a newer Tocsin has written it, and `sqlite3.DatabaseError` when the number is damaged.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if len(MIGRATIONS) < version <= _NEWER_MAX:
        msg = "a newer Tocsin wrote this database"
        raise StorageError(msg, where=name, remedy="install that version again, or set storage.path to another folder")
    if not 0 <= version <= _NEWER_MAX or (version == 0 and tables(connection)):
        msg = f"its user_version is {version}"
        raise sqlite3.DatabaseError(msg)
    return version


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring a database that has had `version` migrations up to date."""
    for number, statements in enumerate(MIGRATIONS[version:], version + 1):
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number:d}")


def check_tables(connection: sqlite3.Connection, version: int) -> None:
    """Raise `sqlite3.DatabaseError` when a table that `version` migrations make is missing, or another one."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
        for statement in (statement for statements in MIGRATIONS[:version] for statement in statements):
            model.execute(statement)
        wanted = tables(model)
    found = tables(connection)
    if wrong := sorted(name for name in wanted if found.get(name) != wanted[name]):
        msg = f"its table {wrong[0]} is missing or different"
        raise sqlite3.DatabaseError(msg)


def tables(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the statement that made each table."""
    rows = connection.execute("SELECT CAST(name AS BLOB), CAST(sql AS BLOB) FROM sqlite_master WHERE type = 'table'")
    return {name.decode(errors="replace"): (sql or b"").decode(errors="replace") for name, sql in rows}
