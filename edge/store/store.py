"""Store of one node: history, outbox, clips and states."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING

from edge.errors import StorageError
from edge.store import history, reads
from edge.store.age import OldestAge
from edge.store.clips import Clips
from edge.store.database import Database, read_state
from edge.store.journal import Journal
from edge.store.outbox import Outbox, OutboxRow
from edge.store.reader import Reader
from edge.store.upkeep import Upkeep

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import TypeVar

    import numpy as np
    from numpy.typing import NDArray

    from edge.store.reads import Json, Page

    Answer = TypeVar("Answer")

log = logging.getLogger("tocsin.store")


class Store:
    """History, outbox, clips and states in one folder.

    Every method blocks, is thread-safe and may raise `StorageError`: then the call has changed nothing, and the next
    one may succeed. `record` and `state_set` do not raise it: data that the disk refuses, because it is full or the
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
        """Create the folder and open it for this process alone; raises `StorageError`.

        After a temporary failure of the disk it starts in memory, and `problem` holds the reason.
        """
        self._listeners: list[Callable[[Json], None]] = []
        self._clips = Clips(folder / "clips", max_mb=clips_max_mb, min_free_mb=min_free_mb)
        self._db = Database(folder / "tocsin.db")
        self._outbox = Outbox(self._db, max_rows=outbox_max)
        self._journal = Journal(folder, self._db, self._outbox, self._clips)
        self._reader = Reader(self._db, self._journal)
        self._age = OldestAge()
        self._upkeep = Upkeep(self._db, self._clips, retention_days=retention_days, max_events=max_events)
        self._closing = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """Close the files and release the folder. A second call does nothing."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._journal.close()

    @property
    def problem(self) -> str:
        """Why nothing can be written now, in one line; empty if it can."""
        if not self._journal.problem and self._db.was_removed:
            return f"{self._db.path} was removed while it is in use; restart the service to begin a new history"
        return self._journal.problem

    @property
    def unwritten(self) -> int:
        """Messages that wait for the disk."""
        return len(self._journal.backlog)

    @property
    def lost(self) -> int:
        """Messages lost from the history since the start."""
        return self._journal.lost

    @property
    def removed(self) -> int:
        """Damaged messages removed from the history or the outbox since the start."""
        return self._reader.removed + self._outbox.removed

    # Writing

    def record(
        self, make: Callable[[int], Json], *, topic: str | None, body: Callable[[Json], bytes] | None = None
    ) -> Json:
        """Write the CloudEvent that `make` returns for the next sequence, and queue it for `topic`.

        Without a `topic` it is not queued. The payload is the CloudEvent itself, or the result of `body`. On return the
        message is on the disk, or in memory if there is a `problem`, and the listeners have been called.
        """
        message = self._journal.record(make, topic, body)
        for listener in list(self._listeners):
            try:
                listener(message)
            except Exception:
                log.exception("a listener failed")
        return message

    def catch_up(self) -> bool:
        """Write what waits for the disk, if possible; raises nothing.

        To be called about every second. Return whether a problem was solved, so that for example the outbox can be read
        again.
        """
        if not (self._journal.problem or self._db.suspect or self._db.failed or self.unwritten):
            return False
        self._journal.catch_up()
        return not self._journal.problem

    def subscribe(self, callback: Callable[[Json], None]) -> Callable[[], None]:
        """Call `callback` with every recorded CloudEvent, on the writer's thread; return the unsubscribe function."""
        self._listeners.append(callback)

        def unsubscribe() -> None:
            with contextlib.suppress(ValueError):
                self._listeners.remove(callback)

        return unsubscribe

    # The outbox

    def outbox_peek(self, after_sequence: int, limit: int) -> list[OutboxRow]:
        """Return the first `limit` waiting messages after a sequence, in order."""
        return self._journal.peek(after_sequence, limit)

    def outbox_remove(self, sequence: int) -> None:
        """Remove an acknowledged message; after a power cut it may be there again."""
        self._journal.acknowledge(sequence)

    def outbox_stats(self) -> tuple[int, float]:
        """Return the number of waiting messages, and the age of the oldest in seconds."""
        (stored, first_stored), (here, first_here) = self._outbox.stats(), self._journal.backlog.stats()
        oldest = min((each for each in (first_stored, first_here) if each), default=None)
        if oldest is None:
            return stored + here, 0.0
        return stored + here, self._age.measure(*oldest, inherited=oldest[0] <= self._journal.inherited)

    @property
    def outbox_dropped(self) -> int:
        """Unsent messages dropped since the start because too many waited."""
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

        Raises `UsageError` for an invalid cursor.
        """
        wanted = reads.Filter(label, source, after, before, min_score)
        return self._reader.read(lambda connection: reads.read_page(connection, wanted, limit=limit, cursor=cursor))

    def event(self, event_id: str) -> Json | None:
        """Return one event as in `events`, with all its CloudEvents as `messages`."""
        return self._reader.read(lambda connection: reads.read_event(connection, event_id))

    def messages_after(self, sequence: int, limit: int) -> list[Json]:
        """Return CloudEvents with a higher sequence, in order, from the disk and from memory."""
        here = {entry.sequence: entry.message for entry in self._journal.backlog.list_after(sequence)}
        if self._db.is_open:
            stored = self._reader.read(lambda connection: reads.read_messages(connection, sequence, limit))
            here.update((int(message["sequence"]), message) for message in stored)
        return [here[each] for each in sorted(here)[:limit]]

    def latest_sequence(self) -> int:
        """Return the sequence of the newest message; 0 without messages."""
        return self._journal.sequence

    def list_unfinished(self) -> list[Json]:
        """Return the last CloudEvent of every event that an earlier process left open, in order."""
        inherited = self._journal.inherited
        return self._reader.read(lambda connection: reads.read_unfinished(connection, inherited))

    def mark_ended(self, event_id: str) -> None:
        """Mark an event as ended although it has no `end` message."""
        with self._db.transaction() as connection:
            history.mark_ended(connection, event_id)

    def newest_onset_s(self) -> float | None:
        """Return the latest onset of an event, in Unix seconds; None without events."""
        with self._db.reader() as connection:
            return history.find_newest_onset_s(connection)

    # Clips

    def save_clip(self, event_id: str, samples: NDArray[np.float32], rate_hz: int) -> str:
        """Save the sound of an event, shape (samples,) within ±1, and return the file's name."""
        return self._clips.save(event_id, samples, rate_hz)

    def clip_path(self, event_id: str) -> Path | None:
        """Return the file with the sound of an event, if it exists."""
        return self._clips.find(event_id)

    # Key-value states

    def state_get(self, key: str) -> str | None:
        """Return the value of a state; None if it is missing or unreadable."""
        waiting = self._journal.get_state(key)
        if waiting is not None:
            return waiting
        try:
            return read_state(self._db, key)
        except (StorageError, UnicodeDecodeError, AttributeError) as exc:
            log.warning("the state %s cannot be read and is ignored: %s", key, exc)
            return None

    def state_set(self, key: str, value: str) -> None:
        """Store a short text for the next start."""
        self._journal.set_state(key, value)

    # Upkeep

    def maintain(self, now: float, *, by_age: bool = True) -> None:
        """Remove events and clips beyond the limits of age and number.

        A call removes a bounded number; the next one continues. `now` is the time in Unix seconds; without `by_age` it
        is not used. Clips and events are independent: a `StorageError` of the clips does not keep the events from being
        removed.
        """
        self._upkeep.maintain(now, by_age=by_age)
