"""Connections to the SQLite file, and the look at it with which every use begins."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from typing import TYPE_CHECKING

from edge.store.schema import check_tables, check_version, migrate

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger("tocsin.store")

_BUSY_S = 1.0  # longer, and a program that looks at the file would delay what is heard
_WAL_KEPT_BYTES = 4 << 20
_SMALL_BYTES = 16 << 20  # what is checked in a moment at every start


def holds_something(path: Path) -> bool:
    """Return whether a file is there and is not empty."""
    return path.exists() and path.stat().st_size > 0


def connect(path: Path, options: str = "") -> sqlite3.Connection:
    """Return a connection, with parameters of SQLite's URI as `options`, that gives text as bytes."""
    uri = path.absolute().as_uri() + options
    connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    connection.text_factory = bytes
    return connection


def open_checked(path: Path) -> tuple[sqlite3.Connection, int]:
    """Return a connection, and how many migrations were done; raises `sqlite3.Error` for a damaged file."""
    connection = connect(path)
    try:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != b"ok":
            raise sqlite3.DatabaseError(found.decode(errors="replace"))  # noqa: TRY301 - as SQLite for other damage
        version = check_version(connection, str(path))
        check_tables(connection, version)
        _check_indices(connection, path)
    except UnicodeDecodeError as exc:  # SQLite quotes what is damaged
        connection.close()
        msg = "its schema cannot be read"
        raise sqlite3.DatabaseError(msg) from exc
    except BaseException:
        connection.close()
        raise
    return connection, version


def _check_indices(connection: sqlite3.Connection, path: Path) -> None:
    """Make the indices of a small database anew where one is wrong; of a large one, when it is found out."""
    if path.stat().st_size > _SMALL_BYTES:
        return
    (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if found != b"ok":
        log.warning("%s: %s; its indices are made again", path, found.decode(errors="replace"))
        connection.execute("REINDEX")


def migrated(connection: sqlite3.Connection, version: int) -> sqlite3.Connection:
    """Bring a database up to date and set how it writes."""
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
    """Make the indices of a database anew; raises `sqlite3.Error` for one that is damaged beyond that."""
    with contextlib.closing(open_checked(path)[0]) as connection:
        if again:
            msg = "damage that was met again"
            raise sqlite3.DatabaseError(msg)
        connection.execute("REINDEX")
