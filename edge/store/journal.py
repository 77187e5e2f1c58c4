"""What is recorded gets its number and goes to the disk; what the disk does not take waits in memory meanwhile."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from edge.errors import StorageError
from edge.store import history
from edge.store.backlog import Backlog, Entry
from edge.store.damage import highest_sequence
from edge.store.faults import Damaged, DiskRefusal
from edge.store.lock import FolderLock
from edge.store.outbox import OutboxRow
from edge.store.sequence import SequenceNote

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge.store.clips import Clips
    from edge.store.database import Database
    from edge.store.outbox import Outbox
    from edge.store.reads import Json

log = logging.getLogger("tocsin.store")

_RETRY_S = 1.0
_PAUSE = 5  # times as long as a try took is the pause after it: a lock that is waited for must not hold up sounds
_BATCH = 200  # messages in one transaction
_TRIES = 3  # that a message may find the database damaged, before it is given up
_LACKS = "%s lacks the last messages before sequence %d: they are lost from the history, which goes on at %d"
_SLACK = 1000  # sequences left out where some may have been given out that nobody remembers


class Journal:
    """Numbers messages in order and writes them in order, each in one transaction with its place in the outbox.

    A disk that refuses delays that and nothing else: a message has its number and its id at once and may be sent from
    memory, and the same number and id go to the disk later. Where the process ends before, the history lacks the
    message, and its number is not given out again. All of it is done under the database's lock.
    """

    def __init__(self, folder: Path, database: Database, outbox: Outbox, clips: Clips) -> None:
        """Open the folder for this process alone.

        Raises `StorageError` when that cannot be, unless the disk may allow it later: then it begins in memory.
        """
        self._folder, self._db, self._outbox, self._clips = folder, database, outbox, clips
        self._lock: FolderLock | None = None
        self._note = SequenceNote(folder / "tocsin.sequence")
        self.backlog = Backlog()
        self.sequence = 0
        """The last one that was given out."""
        self.inherited = -1
        """The last one of the processes before; less than 0 while that is not known."""
        self.lost = 0
        """Messages that the history will never have, since the start."""
        self.fault: StorageError | None = None
        """Why nothing can be written at the moment; None when all is well."""
        self._states: dict[str, str] = {}
        self._sent_ahead = False  # messages were sent while older ones may have waited in a file that was not open
        self._given = False
        self._damaged = 0
        self._next_try_s = 0.0
        self._closed = False
        try:
            self._open()
        except DiskRefusal as exc:
            self.sequence = max(self._note.read() + _SLACK, int(time.time()))
            self._say(exc)
        except BaseException:
            self._release()
            raise

    def record(self, make: Callable[[int], Json], topic: str | None, body: Callable[[Json], bytes] | None) -> Json:
        """Give a message its number and write it; return it, be it on the disk or in memory."""
        with self._db.lock:
            if self._closed:
                msg = "the history is closed: the service is stopping"
                raise StorageError(msg, where=self._folder)
            message = make(self.sequence + 1)
            payload = None if body is None else body(message)
            entry = Entry(self.sequence + 1, message, topic, payload, time.time())
            self.sequence, self._given = entry.sequence, True
            self.lost += self.backlog.append(entry) is not None
            self.catch_up()
            self._note.write(self.sequence)
            return entry.message

    def catch_up(self) -> None:
        """Write what waits for the disk; open the database, or mend it, where it must be. Raises nothing."""
        with self._db.lock:
            begin_s = time.monotonic()
            if self._closed or begin_s < self._next_try_s:
                return
            try:
                self._catch_up()
            except StorageError as exc:
                now_s = time.monotonic()
                self._next_try_s = now_s + max(_RETRY_S, _PAUSE * (now_s - begin_s))
                self._say(exc)
                return
            if self.fault:
                self.fault = None
                log.info("the history can be written again")

    def waiting(self, after_sequence: int, limit: int) -> list[OutboxRow]:
        """Return the first `limit` messages behind a sequence that wait for the broker, on the disk or in memory."""
        # Memory first: what goes to the disk between the two looks is seen twice, not missed.
        here = [entry for entry in self.backlog.after(after_sequence) if entry.topic is not None]
        rows = {entry.sequence: OutboxRow(entry.sequence, entry.topic or "", entry.payload) for entry in here[:limit]}
        if self._db.is_open:
            rows.update((row.sequence, row) for row in self._outbox.peek(after_sequence, limit))
        elif rows:
            self._sent_ahead = True
        return [rows[sequence] for sequence in sorted(rows)[:limit]]

    def done(self, sequence: int) -> None:
        """Cross off a message that the broker has."""
        with self._db.lock:
            if not self.backlog.acknowledge(sequence) and self._db.is_open:
                self._outbox.done(sequence)

    def state(self, key: str) -> str | None:
        """Return a state that waits for the disk."""
        return self._states.get(key)

    def set_state(self, key: str, value: str) -> None:
        """Write a state."""
        with self._db.lock:
            self._states[key] = value
            self.catch_up()

    def close(self) -> None:
        """Write what waits, if the disk allows it now, and let another process have the folder."""
        with self._db.lock:
            self._next_try_s = 0.0
            if self.backlog or self._states:
                self.catch_up()
            self._closed = True
            if self.backlog:
                unsent, _ = self.backlog.waiting()
                text = "%d messages are not in the history, for the disk did not take them; the broker lacks %d of them"
                log.error(text, len(self.backlog), unsent)
                self.lost += len(self.backlog)
            self._db.close()
            self._release()

    def _release(self) -> None:
        self._note.close()
        if self._lock is not None:
            self._lock.release()

    @property
    def problem(self) -> str:
        """Why nothing can be written at the moment, in one line; empty when all is well."""
        return str(self.fault or "")

    def _say(self, exc: StorageError) -> None:
        before, self.fault = self.problem, exc
        if before != self.problem:
            log.error("%s; what is new waits in memory, %d messages so far", exc, len(self.backlog))

    def _open(self) -> None:
        if self._lock is None:
            self._lock = FolderLock(self._folder)
        self._clips.open()
        self._db.open()
        self._adopt()

    def _adopt(self) -> None:
        """Go on from what an opened database knows."""
        with self._db.reading() as connection:
            highest = highest_sequence(connection)
        highest = self._outbox.adopt(highest)
        if not self._given:
            self.sequence = self._first_sequence(highest)
        first = self.backlog.first(1)
        if first and first[0].sequence <= highest:
            self.sequence = self.backlog.renumber_above(max(self.sequence, highest))
        self.sequence = max(self.sequence, highest)
        if self._sent_ahead:
            self.sequence = self._outbox.move_behind(self.sequence)
            self._sent_ahead = False
        known = first[0].sequence - 1 if first else self.sequence
        if self.inherited < 0:
            self.inherited = highest
        elif highest < known and not self._db.is_successor:
            log.warning(_LACKS, self._db.path, known, known + 1)

    def _first_sequence(self, highest: int) -> int:
        """Return the last sequence that may have been given out by the processes before."""
        noted = self._note.read()
        if self._db.is_successor:  # of a file that may not have told all; the note is younger than Tocsin
            return max(highest, noted + _SLACK, int(time.time()))
        if noted > highest:
            log.warning(_LACKS, self._db.path, noted, noted + _SLACK + 1)
            return noted + _SLACK
        return highest

    def _catch_up(self) -> None:
        if self._db.failed or not self._db.is_open:
            self._open()
        elif self._db.suspect:
            self._db.mend()
            self._adopt()
        self._outbox.catch_up()
        while entries := self.backlog.first(_BATCH):
            try:
                self._write_all(entries)
            except Damaged as exc:
                self._damaged += 1
                if self._damaged < _TRIES:
                    raise
                self._give_up(entries[0], exc)
            self._damaged = 0
        if self._states:
            self._write_states()

    def _write_all(self, entries: list[Entry]) -> None:
        """Write messages; one that cannot be, whatever the disk is like, is given up and keeps no other."""
        try:
            self._write(entries)
        except StorageError:
            raise
        except Exception as exc:  # noqa: BLE001 - a message that breaks the rules of a table, or our own mistake
            if len(entries) == 1:
                self._give_up(entries[0], exc)
                return
            for entry in entries:
                self._write_all([entry])

    def _write(self, entries: list[Entry]) -> None:
        rows = [
            (OutboxRow(entry.sequence, entry.topic, entry.payload), entry.queued_s)
            for entry in entries
            if entry.topic is not None
        ]
        with self._db.transaction() as connection:
            for entry in entries:
                history.insert(connection, entry.sequence, entry.message, entry.text)
            dropped = self._outbox.insert(connection, rows)
        self._outbox.inserted(len(rows), dropped)
        self.backlog.remove(entries)

    def _give_up(self, entry: Entry, exc: Exception) -> None:
        log.error("message %d cannot be recorded and is lost: %s", entry.sequence, exc, exc_info=exc)
        self.lost += 1
        self.backlog.remove([entry])

    def _write_states(self) -> None:
        query = "INSERT INTO state (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        with self._db.transaction() as connection:
            connection.executemany(query, self._states.items())
        self._states = {}
