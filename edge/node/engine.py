"""The audio loop: all sources are read, scored in one batch and decided.

One thread does this for all sources. It never uses a socket, a disk or a lock that others hold for long: events go to
a bounded queue, and live frames for the dashboard are only made while it has a listener.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from edge.inference.batcher import score_batches
from edge.node.receiver import Receiver
from edge.node.stream import live_frame
from edge.pipeline.pipeline import make_scores
from edge.telemetry import is_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeAlias

    import numpy as np
    from numpy.typing import NDArray

    from edge.api.answers import LiveFrame
    from edge.detection.rules import Rule
    from edge.inference.onnx import OnnxClassifier
    from edge.node.stream import Stream
    from edge.telemetry import Metrics
    from edge.types import AudioBlock, MelWindow, SourceStats

    _Ready: TypeAlias = "tuple[Stream, MelWindow]"

log = logging.getLogger("tocsin.engine")

_TURN_S = 0.25  # longest wait for audio, so that a lost source is noticed


class Engine:
    """Engine of all streams, on one thread."""

    def __init__(
        self,
        streams: Sequence[Stream],
        classifier: OnnxClassifier,
        wake: threading.Event,
        *,
        metrics: Metrics,
        max_batch: int,
    ) -> None:
        """Take the streams; `wake` is set by their runners."""
        self.streams = list(streams)
        self.live_listeners: list[Callable[[LiveFrame], None]] = []
        self._classifier = classifier
        self._wake = wake
        self._metrics = metrics
        self._max_batch = max_batch
        self._receiver = Receiver()
        self._stopping = threading.Event()
        self._finished = False
        self._commands: deque[Callable[[], None]] = deque()
        self._thread = threading.Thread(target=self._loop, name="engine")
        self.first_scored_s: float | None = None

    def set_receiver(self, receiver: Receiver) -> None:
        """Set the receiver of all findings, before `start`."""
        self._receiver = receiver

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End all current events and stop the thread."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    @property
    def alive(self) -> bool:
        """Whether the loop is running."""
        return self._thread.is_alive()

    @property
    def finished(self) -> bool:
        """Whether all sources have ended and all their sound is decided."""
        return self._finished

    def submit(self, command: Callable[[], None]) -> None:
        """Run `command` on the engine's thread, between two turns."""
        self._commands.append(command)
        self._wake.set()

    def stats(self) -> list[SourceStats]:
        """Return the stats of every source."""
        return [stream.runner.stats() for stream in self.streams]

    def read_levels_db(self) -> dict[str, float]:
        """Return the current level of every source."""
        return {stream.name: stream.pipeline.meter.read_current_db() for stream in self.streams}

    def rearm(self) -> None:
        """Make the away mode report current sounds, as it becomes armed."""

        def rearm() -> None:
            for stream in self.streams:
                if stream.pipeline.away is not None:
                    stream.pipeline.away.rearm()

        self.submit(rearm)

    def set_rules(self, rules: Sequence[Rule], update_s: float, on_set: Callable[[], None]) -> None:
        """Replace the rules of every stream, then call `on_set` on the engine's thread."""

        def swap() -> None:
            for stream in self.streams:
                for event in stream.pipeline.set_rules(rules, update_s):
                    self._receiver.take_event(stream, event)
            on_set()

        self.submit(swap)

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(_TURN_S)
            self._wake.clear()
            try:
                while self._commands:
                    self._commands.popleft()()
                moved = self.turn()
            except Exception:
                # A fault outside the streams. One bad turn must not stop the node; if every turn is bad, the watchdog
                # is not notified.
                log.exception("a turn of the engine failed")
                self._stopping.wait(_TURN_S)
                continue
            self._receiver.end_turn(moved=moved)
        for stream in self.streams:
            with self._isolate(stream):
                self._end_events(stream, lost=False)

    def turn(self) -> bool:
        """Analyse the available sound of all sources; return whether there was any.

        A fault in the analysis of one stream does not affect the others.
        """
        ready: list[_Ready] = []
        moved = False
        for stream in self.streams:
            stream.broken = False
            with self._isolate(stream):
                taken, windows = self._feed(stream)
                moved = moved or taken
                ready += windows
        self._score(ready)
        for stream in self.streams:
            with self._isolate(stream):
                self._update_state(stream)
                self._pass_patterns(stream)
                self._pass_levels(stream)
        if self.streams and not self._finished and all(stream.flushed for stream in self.streams):
            self._finished = True
            self._receiver.finish()
        return moved

    def _feed(self, stream: Stream) -> tuple[bool, list[_Ready]]:
        """Feed a stream; return whether there was sound, and the windows to be scored."""
        ready: list[_Ready] = []
        blocks = stream.runner.take()
        for block in blocks:
            if stream.broken:
                break
            if stream.pipeline.is_after_gap(block):
                # Decide the sound before the gap before the pipeline forgets it.
                self._score(ready)
                ready = []
                self._count_dropped(stream, block)
            stream.expected = block.start + block.samples.size
            if stream.history is not None:
                stream.history.push(block)
            ready += [(stream, window) for window in stream.pipeline.feed(block)]
        return bool(blocks), ready

    @contextlib.contextmanager
    def _isolate(self, stream: Stream) -> Iterator[None]:
        """Give up the stream at an exception, so that the others go on."""
        try:
            yield
        except Exception as exc:  # noqa: BLE001 - any fault is logged, and the source is tried again
            self._give_up(stream, exc)

    def _give_up(self, stream: Stream, exc: Exception) -> None:
        """Take a source offline, which retries by itself, and renew its pipeline."""
        what = f"its sound cannot be analysed: {type(exc).__name__}: {exc}"
        if type(exc) not in stream.faults:  # the source logs a line per retry
            stream.faults.add(type(exc))
            log.error("source %s: %s", stream.name, what, exc_info=exc)
        stream.broken = True
        stream.runner.take_offline(what)
        try:
            self._end_events(stream, lost=True)
        except Exception:
            log.exception("source %s: its events cannot be ended", stream.name)
        finally:
            stream.pipeline = stream.renew()

    def _score(self, ready: Sequence[_Ready]) -> None:
        waiting = deque(ready)
        try:
            self._score_batch(waiting)
        except Exception:  # noqa: BLE001 - the fault is logged for the stream that causes it
            for stream in {id(stream): stream for stream, _ in waiting}.values():
                with self._isolate(stream):
                    self._score_batch(deque(entry for entry in waiting if entry[0] is stream))
        if ready and self.first_scored_s is None:
            self.first_scored_s = time.monotonic()

    def _score_batch(self, waiting: deque[_Ready]) -> None:
        """Score windows, and remove each decided one from `waiting`."""
        for stream, window, row in score_batches(
            tuple(waiting), self._classifier, self._max_batch, self._metrics.count_inference
        ):
            waiting.popleft()
            if not stream.broken:
                with self._isolate(stream):
                    self._decide(stream, window, row)

    def _decide(self, stream: Stream, window: MelWindow, row: NDArray[np.float32]) -> None:
        self._metrics.windows.labels(stream.name).inc()
        for event in stream.pipeline.decide(make_scores(window, row)):
            self._receiver.take_event(stream, event)
        stream.latest = row
        if self.live_listeners:
            self._publish_live(stream, window, row)

    def _count_dropped(self, stream: Stream, block: AudioBlock) -> None:
        lost = block.start - stream.expected
        if stream.was_up and lost > 0:
            self._metrics.windows_dropped.labels(stream.name).inc(lost // stream.pipeline.params.decision_samples)

    def _update_state(self, stream: Stream) -> None:
        stats = stream.runner.stats()
        up = is_up(stats.state)
        if up:
            stream.flushed = False
        elif stats.lag_s == 0.0 and not stream.flushed:
            if stats.finished:
                self._score([(stream, window) for window in stream.pipeline.flush()])
            self._end_events(stream, lost=not stats.finished)
            stream.flushed = stats.finished
        stream.was_up = up

    def _end_events(self, stream: Stream, *, lost: bool) -> None:
        stream.latest = None
        for event in stream.pipeline.interrupt(lost=lost):
            self._receiver.take_event(stream, event)
        if not lost:
            stream.pipeline.close()
            self._pass_patterns(stream)

    def _pass_patterns(self, stream: Stream) -> None:
        if stream.pipeline.claps is not None:
            claps = sum(onset.clap is not None for onset in stream.pipeline.claps.take_onsets())
            self._metrics.clap_onsets.labels(stream.name).inc(claps)
        for pattern in stream.pipeline.take_patterns():
            self._receiver.take_pattern(stream, pattern)

    def _pass_levels(self, stream: Stream) -> None:
        for level in stream.pipeline.take_levels():
            self._receiver.take_level(stream, level)

    def _publish_live(self, stream: Stream, window: MelWindow, row: NDArray[np.float32]) -> None:
        frame = live_frame(stream, window, row, self._classifier.bundle.labels)
        for listener in tuple(self.live_listeners):
            listener(frame)
