"""Journal of numbered messages, kept in memory while the disk refuses them."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from edge.errors import StorageError
from edge.store import history
from edge.store.backlog import Backlog, Entry
from edge.store.damage import find_highest_sequence
from edge.store.faults import DatabaseDamage, DiskRefusal
from edge.store.lock import FolderLock
from edge.store.outbox import OutboxRow
from edge.store.sequence import SequenceFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge.store.clips import Clips
    from edge.store.database import Database
    from edge.store.outbox import Outbox
    from edge.store.reads import Json

log = logging.getLogger("tocsin.store")

_RETRY_S = 1.0
_PAUSE = 5  # the pause after a failed write, as a multiple of its duration: waiting for a lock must not delay sounds
_BATCH = 200  # messages in one transaction
_TRIES = 3  # writes of a message that may find the database damaged before the message is discarded
_LACKS = "%s lacks the last messages before sequence %d: they are lost from the history, which goes on at %d"
_SLACK = 1000  # sequences skipped if the last one used is not certain


class Journal:
    """A writer of messages in the order of their sequences.

    History and outbox are written in one transaction. A message has its sequence and id at once. If the disk refuses
    it, it may be sent from memory and is written later with the same sequence and id. If the process ends before that,
    the history lacks the message, and its sequence is not used again. Everything runs under the database's lock.
    """

    def __init__(self, folder: Path, database: Database, outbox: Outbox, clips: Clips) -> None:
        """Open the folder for this process alone; raises `StorageError`.

        After a temporary failure of the disk it starts in memory instead.
        """
        self._folder, self._db, self._outbox, self._clips = folder, database, outbox, clips
        self._lock: FolderLock | None = None
        self._sequence_file = SequenceFile(folder / "tocsin.sequence")
        self.backlog = Backlog()
        self.sequence = 0
        """The last sequence used."""
        self.inherited = -1
        """The last sequence of earlier processes; negative while it is not known."""
        self.lost = 0
        """Messages lost from the history since the start."""
        self.fault: StorageError | None = None
        """Why nothing can be written now; None if it can."""
        self._states: dict[str, str] = {}
        self._sent_ahead = False  # messages were sent while older ones may wait in the file, which was not open
        self._numbered = False
        self._damaged = 0
        self._next_try_s = 0.0
        self._closed = False
        try:
            self._open()
        except DiskRefusal as exc:
            self.sequence = max(self._sequence_file.read() + _SLACK, int(time.time()))
            self._report(exc)
        except BaseException:
            self._release()
            raise

    def record(self, make: Callable[[int], Json], topic: str | None, body: Callable[[Json], bytes] | None) -> Json:
        """Give a message its sequence and write it to disk or memory; return it."""
        with self._db.lock:
            if self._closed:
                msg = "the history is closed: the service is stopping"
                raise StorageError(msg, where=self._folder)
            message = make(self.sequence + 1)
            payload = None if body is None else body(message)
            entry = Entry(self.sequence + 1, message, topic, payload, time.time())
            self.sequence, self._numbered = entry.sequence, True
            self.lost += self.backlog.append(entry) is not None
            self.catch_up()
            self._sequence_file.write(self.sequence)
            return entry.message

    def catch_up(self) -> None:
        """Write what waits for the disk; open or repair the database if needed. Raises nothing."""
        with self._db.lock:
            begin_s = time.monotonic()
            if self._closed or begin_s < self._next_try_s:
                return
            try:
                self._catch_up()
            except StorageError as exc:
                now_s = time.monotonic()
                self._next_try_s = now_s + max(_RETRY_S, _PAUSE * (now_s - begin_s))
                self._report(exc)
                return
            if self.fault:
                self.fault = None
                log.info("the history can be written again")

    def peek(self, after_sequence: int, limit: int) -> list[OutboxRow]:
        """Return the first `limit` unsent messages after a sequence, from the disk and from memory."""
        # Memory first: a message that is written between the two reads is found twice, not missed.
        here = [entry for entry in self.backlog.list_after(after_sequence) if entry.topic is not None]
        rows = {entry.sequence: OutboxRow(entry.sequence, entry.topic or "", entry.payload) for entry in here[:limit]}
        if self._db.is_open:
            rows.update((row.sequence, row) for row in self._outbox.peek(after_sequence, limit))
        elif rows:
            self._sent_ahead = True
        return [rows[sequence] for sequence in sorted(rows)[:limit]]

    def acknowledge(self, sequence: int) -> None:
        """Remove a message from the outbox: the broker has it."""
        with self._db.lock:
            if not self.backlog.acknowledge(sequence) and self._db.is_open:
                self._outbox.remove(sequence)

    def get_state(self, key: str) -> str | None:
        """Return a state that is not on the disk yet."""
        return self._states.get(key)

    def set_state(self, key: str, value: str) -> None:
        """Write a state."""
        with self._db.lock:
            self._states[key] = value
            self.catch_up()

    def close(self) -> None:
        """Write what waits, if the disk allows it now, and release the folder."""
        with self._db.lock:
            self._next_try_s = 0.0
            if self.backlog or self._states:
                self.catch_up()
            self._closed = True
            if self.backlog:
                unsent, _ = self.backlog.stats()
                text = "%d messages are not in the history because the disk refused them; the broker lacks %d of them"
                log.error(text, len(self.backlog), unsent)
                self.lost += len(self.backlog)
            self._db.close()
            self._release()

    def _release(self) -> None:
        self._sequence_file.close()
        if self._lock is not None:
            self._lock.release()

    @property
    def problem(self) -> str:
        """Why nothing can be written now, in one line; empty if it can."""
        return str(self.fault or "")

    def _report(self, exc: StorageError) -> None:
        before, self.fault = self.problem, exc
        if before != self.problem:
            log.error("%s; new messages wait in memory, %d so far", exc, len(self.backlog))

    def _open(self) -> None:
        if self._lock is None:
            self._lock = FolderLock(self._folder)
        self._clips.open()
        self._db.open()
        self._resume()

    def _resume(self) -> None:
        """Continue the sequences of an opened database."""
        with self._db.reader() as connection:
            highest = find_highest_sequence(connection)
        highest = self._outbox.load(highest)
        if not self._numbered:
            self.sequence = self._find_last_sequence(highest)
        first = self.backlog.peek(1)
        if first and first[0].sequence <= highest:
            self.sequence = self.backlog.renumber(max(self.sequence, highest))
        self.sequence = max(self.sequence, highest)
        if self._sent_ahead:
            self.sequence = self._outbox.renumber(self.sequence)
            self._sent_ahead = False
        known = first[0].sequence - 1 if first else self.sequence
        if self.inherited < 0:
            self.inherited = highest
        elif highest < known and not self._db.is_replacement:
            log.warning(_LACKS, self._db.path, known, known + 1)

    def _find_last_sequence(self, highest: int) -> int:
        """Return the last sequence that earlier processes may have used."""
        noted = self._sequence_file.read()
        if self._db.is_replacement:  # the old file may be incomplete, and the sequence file may be missing
            return max(highest, noted + _SLACK, int(time.time()))
        if noted > highest:
            log.warning(_LACKS, self._db.path, noted, noted + _SLACK + 1)
            return noted + _SLACK
        return highest

    def _catch_up(self) -> None:
        if self._db.failed or not self._db.is_open:
            self._open()
        elif self._db.suspect:
            self._db.repair()
            self._resume()
        self._outbox.catch_up()
        while entries := self.backlog.peek(_BATCH):
            try:
                self._write_all(entries)
            except DatabaseDamage as exc:
                self._damaged += 1
                if self._damaged < _TRIES:
                    raise
                self._discard(entries[0], exc)
            self._damaged = 0
        if self._states:
            self._write_states()

    def _write_all(self, entries: list[Entry]) -> None:
        """Write messages; discard one that no disk would take, so that the others follow."""
        try:
            self._write(entries)
        except StorageError:
            raise
        except Exception as exc:  # noqa: BLE001 - a message that violates a constraint, or a programming error
            if len(entries) == 1:
                self._discard(entries[0], exc)
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
        self._outbox.count_inserted(len(rows), dropped)
        self.backlog.remove(entries)

    def _discard(self, entry: Entry, exc: Exception) -> None:
        log.error("message %d cannot be recorded and is lost: %s", entry.sequence, exc, exc_info=exc)
        self.lost += 1
        self.backlog.remove([entry])

    def _write_states(self) -> None:
        query = "INSERT INTO state (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        with self._db.transaction() as connection:
            connection.executemany(query, self._states.items())
        self._states = {}
