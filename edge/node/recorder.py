"""Recorder of events to history, outbox and states.

It has a thread of its own, so that a slow disk never delays audio.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from edge import systemd
from edge.clock import ClockTrust
from edge.errors import StorageError
from edge.publish.payload import cloud_event, make_ending
from edge.types import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from edge.node.messages import Messages
    from edge.publish.payload import Stamp
    from edge.store import Store
    from edge.telemetry import Metrics
    from edge.types import Event

log = logging.getLogger("tocsin.recorder")

QUEUE_MAX = 10_000
_CLIPS_MAX = 32  # a clip is dropped if more messages wait for the disk
_TURN_S = 1.0  # between two retries of what the disk refused


class Recorder:
    """Recorder of every event message, in order.

    It reports each message to its callbacks at once, even with a full disk: the store keeps in memory what it cannot
    write. So a sound is published as ON or OFF once, when it is detected, and not again when the disk has room.
    """

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        messages: Messages,
        *,
        on_recorded: Callable[[str, Event], None],
        on_closed: Callable[[str, str], None],
        on_caught_up: Callable[[], None] = lambda: None,
    ) -> None:
        """Take the store, and the factory of the messages' common parts.

        `on_recorded` is called after each commit, `on_closed` with source and label after the end of an event that a
        killed process left open, and `on_caught_up` when the disk accepts writes again.
        """
        self._store, self._metrics, self._messages = store, metrics, messages
        self._on_recorded, self._on_closed, self._on_caught_up = on_recorded, on_closed, on_caught_up
        self._onsets: dict[str, datetime] = {}
        self._queue: queue.Queue[Callable[[], None] | None] = queue.Queue(QUEUE_MAX)
        metrics.events_waiting.set_function(lambda: self._queue.qsize() + store.unwritten)
        self._closed_unfinished = False
        self._lost = 0
        self._trust = ClockTrust(_find_newest_s(store))
        self._thread = threading.Thread(target=self._loop, name="recorder")
        self._stopping = threading.Event()

    @property
    def problem(self) -> str:
        """The reason that nothing can be written now, in one line, or an empty text."""
        return self._store.problem

    def start(self) -> None:
        """Start the thread, which first ends the events that a killed process left open."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Write what waits within `timeout_s`, and stop the thread."""
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)
        if self._thread.is_alive():
            self._thread.join(timeout_s)
            self._stopping.set()
            self._thread.join(_TURN_S)
        with contextlib.suppress(queue.Empty):
            while True:
                self._metrics.events_lost.inc(self._queue.get_nowait() is not None)

    def put(
        self,
        source: str,
        event: Event,
        utc: Callable[[int], datetime],
        clip: NDArray[np.float32] | None = None,
    ) -> None:
        """Queue an event of `source`.

        `utc` gives the time of a sample index, and `clip` is the sound to be kept, if any.
        """
        # The clock may be set during an event, so all its messages share the first time of its onset.
        onset = self._onsets.setdefault(event.event_id, utc(event.onset))
        if event.phase is Phase.END:
            del self._onsets[event.event_id]
        if self._queue.qsize() > _CLIPS_MAX:
            clip = None  # clips that wait for a slow disk must not fill the memory

        def write() -> None:
            wanted = clip is not None and clip.size and not self.problem
            name = self._save_clip(event, clip) if clip is not None and wanted else None
            self._write(source, event, onset, name)

        self._enqueue(write)

    def put_pattern(
        self,
        make: Callable[[Stamp], dict[str, Any]],
        *,
        topic: str | None,
        body: Callable[[dict[str, Any]], bytes],
        on_recorded: Callable[[], None],
    ) -> None:
        """Queue a pattern's CloudEvent for the history and, as `body`, for a `topic` if given."""

        def write() -> None:
            self._store.record(lambda sequence: make(self._messages.make_stamp(sequence)), topic=topic, body=body)
            on_recorded()

        self._enqueue(write)

    def _close_unfinished(self) -> None:
        """End the events that a killed process left open, once they can be read."""
        if self._closed_unfinished:
            return
        try:
            left = self._store.list_unfinished()
        except StorageError:
            return
        self._closed_unfinished = True
        for last in left:
            try:
                self._end_unfinished(last)
            except Exception:
                log.exception("event %s of an earlier run cannot be ended", last["data"]["event_id"])
                with contextlib.suppress(StorageError):
                    self._store.mark_ended(last["data"]["event_id"])

    def _end_unfinished(self, last: Mapping[str, Any]) -> None:
        source = last["data"]["source_name"]

        def make(sequence: int) -> dict[str, Any]:
            return make_ending(last, self._messages.make_stamp(sequence))

        self._store.record(make, topic=self._messages.find_topic(source))
        if not self._onsets:  # else an event of this run may have the same state
            self._on_closed(source, last["subject"])

    def maintain(self) -> None:
        """Queue the maintenance of the store."""
        self._enqueue(self._maintain)

    def _maintain(self) -> None:
        now = time.time()
        by_age = self._trust.check(now, synced=systemd.is_clock_synced())
        try:
            self._store.maintain(now, by_age=by_age)
        except StorageError as exc:
            # The next one is in a minute; events must not wait for it.
            log.warning("maintenance of the history is postponed: %s", exc)
        except Exception:
            log.exception("maintenance of the history failed")

    def _enqueue(self, job: Callable[[], None]) -> None:
        try:
            self._queue.put_nowait(job)
        except queue.Full:
            self._metrics.events_lost.inc()

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._close_unfinished()
            try:
                job = self._queue.get(timeout=_TURN_S)
            except queue.Empty:
                if self._store.catch_up():
                    self._on_caught_up()
                continue
            if job is None:
                return
            self._run(job)

    def _run(self, job: Callable[[], None]) -> None:
        """Run a job; a failed one is dropped, so that the others go on."""
        try:
            job()
        except Exception:
            log.exception("an event could not be recorded")
            self._metrics.events_lost.inc()
        lost = self._store.lost
        self._metrics.events_lost.inc(lost - self._lost)
        self._lost = lost

    def _write(self, source: str, event: Event, onset: datetime, clip: str | None) -> None:
        messages = self._messages
        context = messages.make_context(source, event.label)

        def make(sequence: int) -> dict[str, Any]:
            stamp = messages.make_stamp(sequence)
            return cloud_event(event, context, stamp, onset=onset, rate_hz=messages.rate_hz, clip=clip)

        self._store.record(make, topic=messages.find_topic(source))
        if event.phase is Phase.START:
            self._metrics.events.labels(source, event.label).inc()
            late = datetime.now(timezone.utc) - onset
            self._metrics.event_latency.labels(event.label).observe(max(0.0, late / timedelta(seconds=1)))
        self._on_recorded(source, event)

    def _save_clip(self, event: Event, samples: NDArray[np.float32]) -> str | None:
        try:
            return self._store.save_clip(event.event_id, samples, self._messages.rate_hz)
        except StorageError as exc:
            log.warning("the clip of event %s was not kept: %s", event.event_id, exc)
            return None


def _find_newest_s(store: Store) -> float | None:
    """Return the newest onset in Unix seconds; 0 if it cannot be read."""
    try:
        return store.newest_onset_s()
    except StorageError:
        return 0.0
