"""Connections to the SQLite file, and its check when it is opened."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from typing import TYPE_CHECKING

from edge.store.schema import check_tables, check_version, migrate

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger("tocsin.store")

_BUSY_S = 1.0  # a longer wait for another program would delay the recording of events
_WAL_KEPT_BYTES = 4 << 20
_SMALL_BYTES = 16 << 20  # a file up to this size is checked completely at every start


def has_content(path: Path) -> bool:
    """Return whether a file exists and is not empty."""
    return path.exists() and path.stat().st_size > 0


def connect(path: Path, options: str = "") -> sqlite3.Connection:
    """Return a connection that returns text as bytes; `options` are parameters of SQLite's URI."""
    uri = path.absolute().as_uri() + options
    connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    connection.text_factory = bytes
    return connection


def open_and_check(path: Path) -> tuple[sqlite3.Connection, int]:
    """Return a connection and the number of migrations done; raises `sqlite3.Error` for a damaged file."""
    connection = connect(path)
    try:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != b"ok":
            raise sqlite3.DatabaseError(found.decode(errors="replace"))  # noqa: TRY301 - as SQLite for other damage
        version = check_version(connection, str(path))
        check_tables(connection, version)
        _check_indices(connection, path)
    except UnicodeDecodeError as exc:  # SQLite quotes the damaged text
        connection.close()
        msg = "its schema cannot be read"
        raise sqlite3.DatabaseError(msg) from exc
    except BaseException:
        connection.close()
        raise
    return connection, version


def _check_indices(connection: sqlite3.Connection, path: Path) -> None:
    """Rebuild the indices of a small database if one is wrong.

    A large database is repaired when a query finds the damage.
    """
    if path.stat().st_size > _SMALL_BYTES:
        return
    (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if found != b"ok":
        log.warning("%s: %s; its indices are rebuilt", path, found.decode(errors="replace"))
        connection.execute("REINDEX")


def prepare(connection: sqlite3.Connection, version: int) -> sqlite3.Connection:
    """Set the journal mode of a database and apply the missing migrations; return the connection."""
    try:
        if not version:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES:d}")
        migrate(connection, version)
    except BaseException:
        connection.close()
        raise
    return connection


def reindex(path: Path, *, again: bool) -> None:
    """Rebuild the indices of a database; raises `sqlite3.Error` if other parts are damaged."""
    with contextlib.closing(open_and_check(path)[0]) as connection:
        if again:
            msg = "damage that was met again"
            raise sqlite3.DatabaseError(msg)
        connection.execute("REINDEX")
