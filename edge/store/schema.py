"""Tables of the database as a list of migrations; `PRAGMA user_version` counts the applied ones."""

from __future__ import annotations

import contextlib
import sqlite3

from edge.errors import StorageError

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # One row per message. AUTOINCREMENT keeps the last number even after retention has removed its row.
        """CREATE TABLE events (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT,
            event_id TEXT NOT NULL,
            message TEXT NOT NULL
        )""",
        "CREATE INDEX events_by_event ON events (event_id)",
        # One row per event: the columns for filters, and the sequence of its last message.
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
        # A copy of the message, so that retention does not affect what waits for the broker.
        """CREATE TABLE outbox (
            sequence INTEGER PRIMARY KEY,
            topic TEXT NOT NULL,
            payload BLOB NOT NULL,
            queued_s REAL NOT NULL
        )""",
        "CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    ),
)
"""Each is applied completely or not at all. A released one is never changed; new ones are appended."""


_NEWER_MAX = 1000  # a higher number of migrations is damage


def check_version(connection: sqlite3.Connection, name: str) -> int:
    """Return the number of migrations applied to a database.

    Raises `StorageError` if a newer Tocsin has written it, and `sqlite3.DatabaseError` if the number is damaged.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if len(MIGRATIONS) < version <= _NEWER_MAX:
        msg = "a newer Tocsin wrote this database"
        raise StorageError(msg, where=name, remedy="install that version again, or set storage.path to another folder")
    if not 0 <= version <= _NEWER_MAX or (version == 0 and read_tables(connection)):
        msg = f"its user_version is {version}"
        raise sqlite3.DatabaseError(msg)
    return version


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Apply the migrations that a database with `version` of them lacks."""
    for number, statements in enumerate(MIGRATIONS[version:], version + 1):
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number:d}")


def check_tables(connection: sqlite3.Connection, version: int) -> None:
    """Compare the tables with those of `version` migrations; raises `sqlite3.DatabaseError`."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
        for statement in (statement for statements in MIGRATIONS[:version] for statement in statements):
            model.execute(statement)
        wanted = read_tables(model)
    found = read_tables(connection)
    if wrong := sorted(name for name in wanted if found.get(name) != wanted[name]):
        msg = f"its table {wrong[0]} is missing or different"
        raise sqlite3.DatabaseError(msg)


def read_tables(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the CREATE statement of each table by its name."""
    rows = connection.execute("SELECT CAST(name AS BLOB), CAST(sql AS BLOB) FROM sqlite_master WHERE type = 'table'")
    return {name.decode(errors="replace"): (sql or b"").decode(errors="replace") for name, sql in rows}
