"""The messages that wait for the broker: a bounded queue on the disk."""

from __future__ import annotations

import contextlib
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.errors import StorageError
from edge.store.faults import DiskRefusal
from edge.store.sequence import SEQUENCE_MAX

if TYPE_CHECKING:
    import sqlite3

    from edge.store.database import Database

log = logging.getLogger("tocsin.store")

_CROSSED = 500  # removed in one statement


@dataclass(frozen=True)
class OutboxRow:
    """A message that waits for the broker."""

    sequence: int
    topic: str
    payload: bytes


class Outbox:
    """The table of what waits. How many rows it has is counted along, since that is asked often."""

    def __init__(self, database: Database, *, max_rows: int) -> None:
        """Take the database; `max_rows` is kept from the next message on."""
        self._db, self._max_rows, self._overflowing = database, max_rows, False
        self._waiting = 0
        self._crossed: set[int] = set()  # arrived, and still in the table because the disk did not let them go
        self.dropped = 0
        """Messages that never went out because too many waited, since the start."""
        self.removed = 0
        """Messages that never went out because they were damaged, since the start."""

    def adopt(self, highest: int) -> int:
        """Count what is there, in a database that was opened; return the last sequence, which was `highest`.

        Where the place of a message is damaged, so that nobody would look for it there, it comes behind the others.
        """
        query = "SELECT count(*) FROM outbox WHERE sequence = ?"
        with self._db.lock:
            with contextlib.suppress(DiskRefusal):  # then at the next start
                highest = self._bring_back(highest)
            with self._db.reading() as connection:
                self._waiting = connection.execute("SELECT count(*) FROM outbox").fetchone()[0]
                self._waiting -= sum(connection.execute(query, [each]).fetchone()[0] for each in self._crossed)
        return highest

    def _bring_back(self, highest: int) -> int:
        query = "SELECT sequence FROM outbox WHERE sequence NOT BETWEEN 1 AND ? ORDER BY sequence"
        with self._db.reading() as connection:
            astray = connection.execute(query, [SEQUENCE_MAX - 1]).fetchall()
        places = [(place, sequence) for place, (sequence,) in enumerate(astray, highest + 1)]
        if places:
            with self._db.transaction() as connection:
                connection.executemany("UPDATE outbox SET sequence = ? WHERE sequence = ?", places)
            log.error("the places of %d messages that wait for the broker were damaged; they go last", len(places))
        return highest + len(places)

    def move_behind(self, sequence: int) -> int:
        """Let what waits come behind a sequence that was sent already; return the last place in the queue."""
        with self._db.transaction() as connection:
            first, last = connection.execute("SELECT min(sequence), max(sequence) FROM outbox").fetchone()
            if first is None or first > sequence:
                return max(sequence, last or 0)
            step = max(sequence, last) + 1 - first
            connection.execute("UPDATE outbox SET sequence = sequence + ?", [step])
        return int(last + step)

    def insert(self, connection: sqlite3.Connection, rows: list[tuple[OutboxRow, float]]) -> int:
        """Queue messages, as part of the caller's transaction; return how many of the oldest had to go for them.

        Each comes with the time since when it waits. Once it is committed the caller says so by `inserted`, under the
        same lock.
        """
        excess = max(0, self._waiting + len(rows) - self._max_rows)
        values = [(row.sequence, row.topic, row.payload, queued_s) for row, queued_s in rows]
        connection.executemany("INSERT INTO outbox (sequence, topic, payload, queued_s) VALUES (?, ?, ?, ?)", values)
        if excess:
            oldest = "SELECT sequence FROM outbox ORDER BY sequence LIMIT ?"
            connection.execute(f"DELETE FROM outbox WHERE sequence IN ({oldest})", [excess])  # noqa: S608 - the line above
        return excess

    def inserted(self, count: int, dropped: int) -> None:
        """Count messages that were queued, and the `dropped` ones."""
        self._waiting += count - dropped
        self.dropped += dropped
        if dropped and not self._overflowing:
            self._overflowing = True
            log.warning(
                "%d messages wait for the broker, as many as storage.outbox_max allows: the oldest are dropped",
                self._waiting,
            )

    def peek(self, after_sequence: int, limit: int) -> list[OutboxRow]:
        """Return the first `limit` waiting messages behind a sequence, in order; what cannot be read is removed."""
        query = "SELECT sequence, topic, payload FROM outbox WHERE sequence > ? ORDER BY sequence"
        rows: list[OutboxRow] = []
        bad: list[tuple[int, str]] = []
        with self._db.reading() as connection, contextlib.closing(connection.cursor()) as cursor:
            for sequence, topic, payload in cursor.execute(query, [after_sequence]):
                if sequence in self._crossed:
                    continue
                try:
                    rows.append(_row(sequence, topic, payload))
                except ValueError as exc:
                    bad.append((sequence, str(exc)))
                if len(rows) == limit:
                    break
        for sequence, why in bad:
            log.error("message %d that waited for the broker is removed: %s", sequence, why)
            self.removed += 1
            self.done(sequence)
        return rows

    def done(self, sequence: int) -> None:
        """Cross off a message; after a power cut, or where the disk refuses until a restart, it may be there again."""
        with self._db.lock:
            if sequence in self._crossed:
                return
            try:
                with self._db.transaction(durable=False) as connection:
                    gone = connection.execute("DELETE FROM outbox WHERE sequence = ?", [sequence]).rowcount
            except DiskRefusal:
                self._crossed.add(sequence)
                gone = 1
            self._waiting -= gone
            self._overflowing = self._overflowing and self._waiting > 0

    def catch_up(self) -> None:
        """Remove what has arrived while the disk did not let it go."""
        with self._db.lock:
            while self._crossed:
                some = list(self._crossed)[:_CROSSED]
                marks = ",".join("?" * len(some))
                with self._db.transaction(durable=False) as connection:
                    connection.execute(f"DELETE FROM outbox WHERE sequence IN ({marks})", some)  # noqa: S608 - marks
                self._crossed.difference_update(some)

    def stats(self) -> tuple[int, tuple[int, float] | None]:
        """Return how many messages wait, and the oldest: its sequence, and since when it does, in Unix seconds."""
        row = None
        if self._waiting:
            query = "SELECT sequence, queued_s FROM outbox ORDER BY sequence LIMIT 1"
            with contextlib.suppress(StorageError), self._db.reading() as connection:
                row = connection.execute(query).fetchone()
        return self._waiting, row if row and isinstance(row[1], float) else None


def _row(sequence: int, topic: object, payload: object) -> OutboxRow:
    """Return a message as it was queued; raises `ValueError` for one that is damaged."""
    if not isinstance(topic, bytes) or not isinstance(payload, bytes):
        msg = "its columns are damaged"
        raise ValueError(msg)  # noqa: TRY004 - whatever is damaged is the same error
    try:
        json.loads(payload.decode())
    except RecursionError as exc:
        msg = "its JSON is damaged"
        raise ValueError(msg) from exc
    return OutboxRow(sequence, topic.decode(), payload)
