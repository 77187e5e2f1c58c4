"""The store: every event message in one transaction with its place in the outbox."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from typing import TYPE_CHECKING

from edge.store import reads
from edge.store.clips import Clips
from edge.store.database import Database
from edge.store.lock import FolderLock
from edge.store.outbox import Outbox, OutboxRow
from edge.timestamps import parse_rfc3339

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from edge.store.reads import Json, Page

log = logging.getLogger("tocsin.store")

_DAY_S = 86_400.0
_STEP = 500  # events removed in one transaction: others wait for it no longer than a moment
_STEPS = 40  # such transactions in one upkeep
_SHRINK_PAGES = 1024  # given back in one upkeep, 4 MiB


class Store:
    """History, outbox, clips and states in one folder.

    Every method blocks, is thread-safe and may raise `StorageError`. After that, such as for a full disk, nothing of
    the call has happened, and the next one may succeed.
    """

    def __init__(
        self, folder: Path, *, retention_days: float, max_events: int, outbox_max: int, clips_max_mb: int
    ) -> None:
        """Open the folder, which is created, for this process alone; raises `StorageError` when that cannot be."""
        self._retention_s, self._max_events = retention_days * _DAY_S, max_events
        self._listeners: list[Callable[[Json], None]] = []
        self._lock = FolderLock(folder)
        try:
            self._clips = Clips(folder / "clips", max_mb=clips_max_mb)
            self._db = Database(folder / "tocsin.db")
            self._outbox = Outbox(self._db, max_rows=outbox_max)
            self._sequence = self._last_sequence()
        except BaseException:
            self._lock.release()
            raise
        self._closing = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """Close the files and let another process have the folder. A second call does nothing."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._db.close()
                self._lock.release()

    def _last_sequence(self) -> int:
        # Not of the last row: retention may have removed it.
        with self._db.reading() as connection:
            row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
        return int(row[0]) if row else 0

    # Writing

    def record(
        self, make: Callable[[int], Json], *, topic: str | None, body: Callable[[Json], bytes] | None = None
    ) -> Json:
        """Write the CloudEvent that `make` returns for the next sequence, and queue it for `topic` if there is one.

        What is queued is the CloudEvent itself, or what `body` makes of it. When this returns, the message is on the
        disk and the listeners have been told.
        """
        with self._db.lock:
            sequence = self._sequence + 1
            message = make(sequence)
            text = json.dumps(message, separators=(",", ":"), ensure_ascii=False)
            with self._db.transaction() as connection:
                _insert(connection, sequence, message, text)
                payload = text.encode() if body is None else body(message)
                row = None if topic is None else OutboxRow(sequence, topic, payload)
                dropped = 0 if row is None else self._outbox.insert(connection, row)
            self._sequence = sequence
            if topic is not None:
                self._outbox.inserted(dropped)
        for listener in list(self._listeners):
            try:
                listener(message)
            except Exception:
                log.exception("a listener failed")
        return message

    def subscribe(self, callback: Callable[[Json], None]) -> Callable[[], None]:
        """Have `callback` called with every CloudEvent after its commit, by the writer; return how to end that."""
        self._listeners.append(callback)

        def unsubscribe() -> None:
            with contextlib.suppress(ValueError):
                self._listeners.remove(callback)

        return unsubscribe

    # The outbox

    def outbox_peek(self, after_sequence: int, limit: int) -> list[OutboxRow]:
        """Return the first `limit` waiting messages behind a sequence, in order."""
        return self._outbox.peek(after_sequence, limit)

    def outbox_done(self, sequence: int) -> None:
        """Cross off a message that the broker has acknowledged; after a power cut it may be there once more."""
        self._outbox.done(sequence)

    def outbox_stats(self) -> tuple[int, float]:
        """Return how many messages wait, and for how many seconds the oldest has."""
        return self._outbox.stats()

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
        with self._db.reading() as connection:
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

    def event(self, event_id: str) -> Json | None:
        """Return one event as `events` does, with all its CloudEvents as `messages`."""
        with self._db.reading() as connection:
            return reads.one_event(connection, event_id)

    def messages_after(self, sequence: int, limit: int) -> list[Json]:
        """Return CloudEvents with a higher sequence, in order."""
        with self._db.reading() as connection:
            return reads.messages_after(connection, sequence, limit)

    def latest_sequence(self) -> int:
        """Return the sequence of the newest message; 0 before the first."""
        return self._sequence

    def unfinished(self) -> list[Json]:
        """Return the last CloudEvent of every event without an end, in order; at first, what a killed process left."""
        with self._db.reading() as connection:
            return reads.unfinished(connection)

    # Clips

    def save_clip(self, event_id: str, samples: NDArray[np.float32], rate_hz: int) -> str:
        """Keep the sound of an event, shape (samples,) within ±1, and return the name of its file."""
        return self._clips.save(event_id, samples, rate_hz)

    def clip_path(self, event_id: str) -> Path | None:
        """Return the file with the sound of an event, where it was kept."""
        return self._clips.find(event_id)

    # Small states

    def state_get(self, key: str) -> str | None:
        """Return what `state_set` kept."""
        with self._db.reading() as connection:
            row = connection.execute("SELECT value FROM state WHERE key = ?", [key]).fetchone()
        return None if row is None else str(row[0])

    def state_set(self, key: str, value: str) -> None:
        """Keep a short text for the next start."""
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO state (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                [key, value],
            )

    # Upkeep

    def maintain(self, now: float) -> None:
        """Remove what is too old at `now` (Unix seconds) or too much, in small steps; the next call does the rest.

        Clips and events go independently of each other: a `StorageError` of one does not keep the other.
        """
        oldest_s = now - self._retention_s
        try:
            self._clips.prune(oldest_s)  # first: on a full disk this makes the room that removing events needs
        finally:
            self._forget(oldest_s)

    def _forget(self, oldest_s: float) -> None:
        bound = max(self._excess_bound(), (round(oldest_s * 1000.0), 0))
        for _ in range(_STEPS):
            if self._remove_some(bound) < _STEP:
                break
        self._db.shrink(_SHRINK_PAGES)

    def _excess_bound(self) -> tuple[int, int]:
        query = "SELECT onset_ms, sequence FROM sounds ORDER BY onset_ms DESC, sequence DESC LIMIT 1 OFFSET ?"
        with self._db.reading() as connection:
            row = connection.execute(query, [self._max_events]).fetchone()
        return row or (0, 0)

    def _remove_some(self, bound: tuple[int, int]) -> int:
        """Remove a step of events, oldest first, up to `bound`, a pair of onset and sequence; return how many."""
        query = "SELECT event_id FROM sounds WHERE (onset_ms, sequence) <= (?, ?) ORDER BY onset_ms, sequence LIMIT ?"
        with self._db.transaction(durable=False) as connection:
            event_ids = [event_id for (event_id,) in connection.execute(query, [*bound, _STEP])]
            marks = ",".join("?" * len(event_ids))
            connection.execute(f"DELETE FROM events WHERE event_id IN ({marks})", event_ids)  # noqa: S608 - marks alone
            connection.execute(f"DELETE FROM sounds WHERE event_id IN ({marks})", event_ids)  # noqa: S608
        self._clips.remove(event_ids)
        return len(event_ids)


def _insert(connection: sqlite3.Connection, sequence: int, message: Json, text: str) -> None:
    data = message["data"]
    connection.execute(
        "INSERT INTO events (sequence, event_id, message) VALUES (?, ?, ?)", [sequence, data["event_id"], text]
    )
    connection.execute(
        """INSERT INTO sounds (sequence, event_id, last_sequence, label, source_name, onset_ms, peak_score, ended)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (event_id) DO UPDATE SET last_sequence = excluded.last_sequence,
        peak_score = max(peak_score, excluded.peak_score), ended = excluded.ended""",
        [
            sequence,
            data["event_id"],
            sequence,
            data["label"],
            data["source_name"],
            round(parse_rfc3339(data["onset_time"]).timestamp() * 1000.0),
            data["peak_score"],
            data["phase"] == "end",
        ],
    )
