"""Outbox: a bounded queue on the disk of messages that wait for the broker."""

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

_REMOVED_MAX = 500  # rows in one statement


@dataclass(frozen=True)
class OutboxRow:
    """A message that waits for the broker."""

    sequence: int
    topic: str
    payload: bytes


class Outbox:
    """The table of waiting messages.

    The number of rows is kept in memory, since it is read often.
    """

    def __init__(self, database: Database, *, max_rows: int) -> None:
        """Take the database; `max_rows` applies from the next message on."""
        self._db, self._max_rows, self._overflowing = database, max_rows, False
        self._waiting = 0
        self._acknowledged: set[int] = set()  # delivered, but still in the table because the disk refused the deletion
        self.dropped = 0
        """Unsent messages dropped since the start because too many waited."""
        self.removed = 0
        """Unsent messages removed since the start because they were damaged."""

    def load(self, highest: int) -> int:
        """Count the rows of an opened database; return the last sequence, at least `highest`.

        A message whose sequence is damaged is moved to the end: at its old place it would not be found.
        """
        query = "SELECT count(*) FROM outbox WHERE sequence = ?"
        with self._db.lock:
            with contextlib.suppress(DiskRefusal):  # it is repeated at the next start
                highest = self._renumber_damaged(highest)
            with self._db.reader() as connection:
                self._waiting = connection.execute("SELECT count(*) FROM outbox").fetchone()[0]
                self._waiting -= sum(connection.execute(query, [each]).fetchone()[0] for each in self._acknowledged)
        return highest

    def _renumber_damaged(self, highest: int) -> int:
        query = "SELECT sequence FROM outbox WHERE sequence NOT BETWEEN 1 AND ? ORDER BY sequence"
        with self._db.reader() as connection:
            astray = connection.execute(query, [SEQUENCE_MAX - 1]).fetchall()
        places = [(place, sequence) for place, (sequence,) in enumerate(astray, highest + 1)]
        if places:
            with self._db.transaction() as connection:
                connection.executemany("UPDATE outbox SET sequence = ? WHERE sequence = ?", places)
            log.error("the sequences of %d messages in the outbox were damaged; they are sent last", len(places))
        return highest + len(places)

    def renumber(self, sequence: int) -> int:
        """Move all messages behind a sequence that was sent already; return the last one."""
        with self._db.transaction() as connection:
            first, last = connection.execute("SELECT min(sequence), max(sequence) FROM outbox").fetchone()
            if first is None or first > sequence:
                return max(sequence, last or 0)
            step = max(sequence, last) + 1 - first
            connection.execute("UPDATE outbox SET sequence = sequence + ?", [step])
        return int(last + step)

    def insert(self, connection: sqlite3.Connection, rows: list[tuple[OutboxRow, float]]) -> int:
        """Queue messages in the caller's transaction; return the number of old ones dropped for them.

        Each comes with the time at which it was queued, in Unix seconds. After the commit the caller calls
        `count_inserted`, under the same lock.
        """
        excess = max(0, self._waiting + len(rows) - self._max_rows)
        values = [(row.sequence, row.topic, row.payload, queued_s) for row, queued_s in rows]
        connection.executemany("INSERT INTO outbox (sequence, topic, payload, queued_s) VALUES (?, ?, ?, ?)", values)
        if excess:
            oldest = "SELECT sequence FROM outbox ORDER BY sequence LIMIT ?"
            connection.execute(f"DELETE FROM outbox WHERE sequence IN ({oldest})", [excess])  # noqa: S608 - the line above
        return excess

    def count_inserted(self, count: int, dropped: int) -> None:
        """Count queued and dropped messages."""
        self._waiting += count - dropped
        self.dropped += dropped
        if dropped and not self._overflowing:
            self._overflowing = True
            log.warning(
                "%d messages wait for the broker, as many as storage.outbox_max allows: the oldest are dropped",
                self._waiting,
            )

    def peek(self, after_sequence: int, limit: int) -> list[OutboxRow]:
        """Return the first `limit` messages after a sequence, in order; remove unreadable ones."""
        query = "SELECT sequence, topic, payload FROM outbox WHERE sequence > ? ORDER BY sequence"
        rows: list[OutboxRow] = []
        bad: list[tuple[int, str]] = []
        with self._db.reader() as connection, contextlib.closing(connection.cursor()) as cursor:
            for sequence, topic, payload in cursor.execute(query, [after_sequence]):
                if sequence in self._acknowledged:
                    continue
                try:
                    rows.append(_parse_row(sequence, topic, payload))
                except ValueError as exc:
                    bad.append((sequence, str(exc)))
                if len(rows) == limit:
                    break
        for sequence, why in bad:
            log.error("message %d that waited for the broker is removed: %s", sequence, why)
            self.removed += 1
            self.remove(sequence)
        return rows

    def remove(self, sequence: int) -> None:
        """Remove a message.

        It may be there again after a power cut, or after a restart if the disk refused the deletion until then.
        """
        with self._db.lock:
            if sequence in self._acknowledged:
                return
            try:
                with self._db.transaction(durable=False) as connection:
                    removed = connection.execute("DELETE FROM outbox WHERE sequence = ?", [sequence]).rowcount
            except DiskRefusal:
                self._acknowledged.add(sequence)
                removed = 1
            self._waiting -= removed
            self._overflowing = self._overflowing and self._waiting > 0

    def catch_up(self) -> None:
        """Remove delivered messages whose deletion the disk refused."""
        with self._db.lock:
            while self._acknowledged:
                some = list(self._acknowledged)[:_REMOVED_MAX]
                marks = ",".join("?" * len(some))
                with self._db.transaction(durable=False) as connection:
                    connection.execute(f"DELETE FROM outbox WHERE sequence IN ({marks})", some)  # noqa: S608 - marks
                self._acknowledged.difference_update(some)

    def stats(self) -> tuple[int, tuple[int, float] | None]:
        """Return the number of messages, and the oldest: its sequence and `queued_s`."""
        row = None
        if self._waiting:
            query = "SELECT sequence, queued_s FROM outbox ORDER BY sequence LIMIT 1"
            with contextlib.suppress(StorageError), self._db.reader() as connection:
                row = connection.execute(query).fetchone()
        return self._waiting, row if row and isinstance(row[1], float) else None


def _parse_row(sequence: int, topic: object, payload: object) -> OutboxRow:
    """Parse a row; raises `ValueError` for a damaged one."""
    if not isinstance(topic, bytes) or not isinstance(payload, bytes):
        msg = "its columns are damaged"
        raise ValueError(msg)  # noqa: TRY004 - all damage is the same error
    try:
        json.loads(payload.decode())
    except RecursionError as exc:
        msg = "its JSON is damaged"
        raise ValueError(msg) from exc
    return OutboxRow(sequence, topic.decode(), payload)
