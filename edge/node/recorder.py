"""From the engine's events to history, outbox and states, on one thread: a slow disk never delays audio."""

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
_CLIPS_MAX = 32  # messages before a clip on its way to the disk, at most
_TURN_S = 1.0  # between two looks at what the disk did not take


class Recorder:
    """Hands every event message to the store, in order, and tells who wants to know.

    That is at once, also where the disk is full: the store keeps in memory what the disk does not take. So a sound is
    said to be on or over once, when it is heard, and not again when there is room.
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
        """Take the store, and what makes its messages complete.

        `on_recorded` is called after each commit, `on_closed` with source and label after the end of an event that a
        killed process left open, and `on_caught_up` when the disk allows again what it did not.
        """
        self._store, self._metrics, self._messages = store, metrics, messages
        self._on_recorded, self._on_closed, self._on_caught_up = on_recorded, on_closed, on_caught_up
        self._onsets: dict[str, datetime] = {}
        self._queue: queue.Queue[Callable[[], None] | None] = queue.Queue(QUEUE_MAX)
        metrics.events_waiting.set_function(lambda: self._queue.qsize() + store.unwritten)
        self._closed_unfinished = False
        self._lost = 0
        self._trust = ClockTrust(_newest_s(store))
        self._thread = threading.Thread(target=self._loop, name="recorder")
        self._stopping = threading.Event()

    @property
    def problem(self) -> str:
        """Why nothing can be written at the moment, in one line; empty when all is well."""
        return self._store.problem

    def start(self) -> None:
        """Begin, with the ends of the events that a killed process left open."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Hand on what waits within `timeout_s`, and end."""
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
        """Queue an event of `source`; `utc` tells a sample index's time, `clip` is its sound if that is to be kept."""
        # The clock may be set while an event lasts; when it began is said once and for all.
        onset = self._onsets.setdefault(event.event_id, utc(event.onset))
        if event.phase is Phase.END:
            del self._onsets[event.event_id]
        if self._queue.qsize() > _CLIPS_MAX:
            clip = None  # what waits for a slow disk must not fill the memory

        def write() -> None:
            wanted = clip is not None and clip.size and not self.problem
            name = self._save_clip(event, clip) if clip is not None and wanted else None
            self._write(source, event, onset, name)

        self._put(write)

    def put_pattern(
        self,
        make: Callable[[Stamp], dict[str, Any]],
        *,
        topic: str | None,
        body: Callable[[dict[str, Any]], bytes],
        on_recorded: Callable[[], None],
    ) -> None:
        """Queue a pattern's CloudEvent for the history, and what `body` makes of it for `topic` if there is one."""

        def write() -> None:
            self._store.record(lambda sequence: make(self._messages.stamp(sequence)), topic=topic, body=body)
            on_recorded()

        self._put(write)

    def _close_unfinished(self) -> None:
        """End what a killed process left open; where the disk does not allow a look at it, at a later turn."""
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
            return make_ending(last, self._messages.stamp(sequence))

        self._store.record(make, topic=self._messages.topic(source))
        if not self._onsets:  # else this run may be in such a sound, whose states are its own
            self._on_closed(source, last["subject"])

    def maintain(self) -> None:
        """Have the store's upkeep done between two events."""
        self._put(self._maintain)

    def _maintain(self) -> None:
        now = time.time()
        by_age = self._trust.check(now, synced=systemd.clock_synced())
        try:
            self._store.maintain(now, by_age=by_age)
        except StorageError as exc:
            # The next one comes in a minute; events must not wait for it.
            log.warning("upkeep of the history is put off: %s", exc)
        except Exception:
            log.exception("upkeep of the history failed")

    def _put(self, job: Callable[[], None]) -> None:
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
            self._do(job)

    def _do(self, job: Callable[[], None]) -> None:
        """Do a job; one that fails is given up and keeps no other."""
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
        context = messages.context(source, event.label)

        def make(sequence: int) -> dict[str, Any]:
            stamp = messages.stamp(sequence)
            return cloud_event(event, context, stamp, onset=onset, rate_hz=messages.rate_hz, clip=clip)

        self._store.record(make, topic=messages.topic(source))
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


def _newest_s(store: Store) -> float | None:
    """Return when the newest event began; the beginning of time where that cannot be said."""
    try:
        return store.newest_onset_s()
    except StorageError:
        return 0.0
