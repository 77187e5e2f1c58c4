"""The messages that wait for the broker: a bounded queue on the disk."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

    from edge.store.database import Database

log = logging.getLogger("tocsin.store")


@dataclass(frozen=True)
class OutboxRow:
    """A message that waits for the broker."""

    sequence: int
    topic: str
    payload: bytes


class Outbox:
    """The table of what waits. How many rows it has is counted along, since that is asked often."""

    def __init__(self, database: Database, *, max_rows: int) -> None:
        """Take what is there; `max_rows` is kept from the next message on."""
        self._db, self._max_rows, self._overflowing = database, max_rows, False
        with database.reading() as connection:
            self._waiting: int = connection.execute("SELECT count(*) FROM outbox").fetchone()[0]
        self.dropped = 0
        """Messages that never went out because too many waited, since the start."""

    def insert(self, connection: sqlite3.Connection, row: OutboxRow) -> int:
        """Queue a message, as part of the caller's transaction; return how many of the oldest had to go for it.

        Once it is committed the caller says so by `inserted`, under the same lock.
        """
        excess = max(0, self._waiting + 1 - self._max_rows)
        if excess:
            oldest = "SELECT sequence FROM outbox ORDER BY sequence LIMIT ?"
            connection.execute(f"DELETE FROM outbox WHERE sequence IN ({oldest})", [excess])  # noqa: S608 - the line above
        values = [row.sequence, row.topic, row.payload, time.time()]
        connection.execute("INSERT INTO outbox (sequence, topic, payload, queued_s) VALUES (?, ?, ?, ?)", values)
        return excess

    def inserted(self, dropped: int) -> None:
        """Count a message that was queued, and the `dropped` ones."""
        self._waiting += 1 - dropped
        self.dropped += dropped
        if dropped and not self._overflowing:
            self._overflowing = True
            log.warning(
                "%d messages wait for the broker, as many as storage.outbox_max allows: the oldest are dropped",
                self._waiting,
            )

    def peek(self, after_sequence: int, limit: int) -> list[OutboxRow]:
        """Return the first `limit` waiting messages behind a sequence, in order."""
        query = "SELECT sequence, topic, payload FROM outbox WHERE sequence > ? ORDER BY sequence LIMIT ?"
        with self._db.reading() as connection:
            return [OutboxRow(*row) for row in connection.execute(query, [after_sequence, limit])]

    def done(self, sequence: int) -> None:
        """Cross off a message; after a power cut it may be there once more."""
        with self._db.lock:
            with self._db.transaction(durable=False) as connection:
                gone = connection.execute("DELETE FROM outbox WHERE sequence = ?", [sequence]).rowcount
            self._waiting -= gone
            self._overflowing = self._overflowing and self._waiting > 0

    def stats(self) -> tuple[int, float]:
        """Return how many messages wait, and for how many seconds the oldest has."""
        waiting = self._waiting
        if not waiting:
            return 0, 0.0
        with self._db.reading() as connection:
            row = connection.execute("SELECT queued_s FROM outbox ORDER BY sequence LIMIT 1").fetchone()
        return (waiting, max(0.0, time.time() - row[0])) if row else (0, 0.0)
