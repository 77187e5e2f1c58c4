"""The store: history, outbox, clips and states of one node."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING

from edge.errors import StorageError
from edge.store import history, reads
from edge.store.age import OldestAge
from edge.store.answers import Answers
from edge.store.clips import Clips
from edge.store.database import Database, read_state
from edge.store.journal import Journal
from edge.store.outbox import Outbox, OutboxRow
from edge.store.upkeep import Upkeep

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import TypeVar

    import numpy as np
    from numpy.typing import NDArray

    from edge.store.reads import Json, Page, Sick

    Answer = TypeVar("Answer")

log = logging.getLogger("tocsin.store")


class Store:
    """History, outbox, clips and states in one folder.

    Every method blocks, is thread-safe and may raise `StorageError`, after which nothing of the call has happened, and
    the next one may succeed. `record` and `state_set` do not: what the disk does not take, for it is full or the
    database is damaged, is kept in memory, and `catch_up` writes it later.
    """

    def __init__(
        self,
        folder: Path,
        *,
        retention_days: float,
        max_events: int,
        outbox_max: int,
        clips_max_mb: int,
        min_free_mb: int = 0,
    ) -> None:
        """Open the folder, which is created, for this process alone; raises `StorageError` when that cannot be.

        Where the disk may allow it later, it begins in memory; `problem` says why.
        """
        self._listeners: list[Callable[[Json], None]] = []
        self._clips = Clips(folder / "clips", max_mb=clips_max_mb, min_free_mb=min_free_mb)
        self._db = Database(folder / "tocsin.db")
        self._outbox = Outbox(self._db, max_rows=outbox_max)
        self._journal = Journal(folder, self._db, self._outbox, self._clips)
        self._answers = Answers(self._db, self._journal)
        self._age = OldestAge()
        self._upkeep = Upkeep(self._db, self._clips, retention_days=retention_days, max_events=max_events)
        self._closing = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """Close the files and let another process have the folder. A second call does nothing."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._journal.close()

    @property
    def problem(self) -> str:
        """Why nothing can be written at the moment, in one line; empty when all is well."""
        if not self._journal.problem and self._db.was_taken_away:
            return f"{self._db.path} was removed while it is in use; restart the service to begin a new history"
        return self._journal.problem

    @property
    def unwritten(self) -> int:
        """Messages that wait for the disk."""
        return len(self._journal.backlog)

    @property
    def lost(self) -> int:
        """Messages that the history will never have, since the start."""
        return self._journal.lost

    @property
    def removed(self) -> int:
        """Messages that were damaged and are removed from the history or the outbox, since the start."""
        return self._answers.removed + self._outbox.removed

    # Writing

    def record(
        self, make: Callable[[int], Json], *, topic: str | None, body: Callable[[Json], bytes] | None = None
    ) -> Json:
        """Write the CloudEvent that `make` returns for the next sequence, and queue it for `topic` if there is one.

        What is queued is the CloudEvent itself, or what `body` makes of it. When this returns, the message is on the
        disk, or in memory where `problem` says why, and the listeners have been told.
        """
        message = self._journal.record(make, topic, body)
        for listener in list(self._listeners):
            try:
                listener(message)
            except Exception:
                log.exception("a listener failed")
        return message

    def catch_up(self) -> bool:
        """Write what waits for the disk, if it may be taken now; to be called every second or so. Raises nothing.

        Return whether that brought something about, such as that the outbox can be read again.
        """
        if not (self._journal.problem or self._db.suspect or self._db.failed or self.unwritten):
            return False
        self._journal.catch_up()
        return not self._journal.problem

    def subscribe(self, callback: Callable[[Json], None]) -> Callable[[], None]:
        """Have `callback` called with every CloudEvent once it is recorded, by the writer; return how to end that."""
        self._listeners.append(callback)

        def unsubscribe() -> None:
            with contextlib.suppress(ValueError):
                self._listeners.remove(callback)

        return unsubscribe

    # The outbox

    def outbox_peek(self, after_sequence: int, limit: int) -> list[OutboxRow]:
        """Return the first `limit` waiting messages behind a place in the queue, in order."""
        return self._journal.waiting(after_sequence, limit)

    def outbox_done(self, sequence: int) -> None:
        """Cross off a message that the broker has acknowledged; after a power cut it may be there once more."""
        self._journal.done(sequence)

    def outbox_stats(self) -> tuple[int, float]:
        """Return how many messages wait, and for how many seconds the oldest has."""
        (stored, first_stored), (here, first_here) = self._outbox.stats(), self._journal.backlog.waiting()
        oldest = min((each for each in (first_stored, first_here) if each), default=None)
        if oldest is None:
            return stored + here, 0.0
        return stored + here, self._age.seconds(*oldest, inherited=oldest[0] <= self._journal.inherited)

    @property
    def outbox_dropped(self) -> int:
        """Messages that never went out because too many waited, since the start."""
        return self._outbox.dropped

    # The history

    def events(
        self,
        *,
        label: str | Sequence[str] | None = None,
        source: str | Sequence[str] | None = None,
        after: float | None = None,
        before: float | None = None,
        min_score: float | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """Return the events that began in [after, before), in Unix seconds, newest first.

        Raises `UsageError` for a cursor that is none.
        """

        def question(connection: sqlite3.Connection) -> tuple[Page, Sick]:
            return reads.page_of_events(
                connection,
                label=label,
                source=source,
                after=after,
                before=before,
                min_score=min_score,
                limit=limit,
                cursor=cursor,
            )

        return self._answers.ask(question)

    def event(self, event_id: str) -> Json | None:
        """Return one event as `events` does, with all its CloudEvents as `messages`."""
        return self._answers.ask(lambda connection: reads.one_event(connection, event_id))

    def messages_after(self, sequence: int, limit: int) -> list[Json]:
        """Return CloudEvents with a higher sequence, in order; also those that are not on the disk yet."""
        here = {entry.sequence: entry.message for entry in self._journal.backlog.after(sequence)}
        if self._db.is_open:
            stored = self._answers.ask(lambda connection: reads.messages_after(connection, sequence, limit))
            here.update((int(message["sequence"]), message) for message in stored)
        return [here[each] for each in sorted(here)[:limit]]

    def latest_sequence(self) -> int:
        """Return the sequence of the newest message; 0 before the first."""
        return self._journal.sequence

    def unfinished(self) -> list[Json]:
        """Return the last CloudEvent of every event that a process before has left without an end, in order."""
        inherited = self._journal.inherited
        return self._answers.ask(lambda connection: reads.unfinished(connection, inherited))

    def forget_open(self, event_id: str) -> None:
        """Count an event as ended though there is no message that says so."""
        with self._db.transaction() as connection:
            history.forget_open(connection, event_id)

    def newest_onset_s(self) -> float | None:
        """Return the latest time at which an event began, in Unix seconds; None where there is none."""
        with self._db.reading() as connection:
            return history.newest_onset_s(connection)

    # Clips

    def save_clip(self, event_id: str, samples: NDArray[np.float32], rate_hz: int) -> str:
        """Keep the sound of an event, shape (samples,) within ±1, and return the name of its file."""
        return self._clips.save(event_id, samples, rate_hz)

    def clip_path(self, event_id: str) -> Path | None:
        """Return the file with the sound of an event, where it was kept."""
        return self._clips.find(event_id)

    # Small states

    def state_get(self, key: str) -> str | None:
        """Return what `state_set` kept; nothing where it cannot be read."""
        waiting = self._journal.state(key)
        if waiting is not None:
            return waiting
        try:
            return read_state(self._db, key)
        except (StorageError, UnicodeDecodeError, AttributeError) as exc:
            log.warning("what was kept of %s cannot be read and does not count: %s", key, exc)
            return None

    def state_set(self, key: str, value: str) -> None:
        """Keep a short text for the next start."""
        self._journal.set_state(key, value)

    # Upkeep

    def maintain(self, now: float, *, by_age: bool = True) -> None:
        """Remove what is too old at `now` (Unix seconds) or too much, in small steps; the next call does the rest.

        Without `by_age` the clock is not asked. Clips and events go independently of each other: a `StorageError` of
        one does not keep the other.
        """
        self._upkeep.maintain(now, by_age=by_age)
