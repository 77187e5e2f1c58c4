"""The loop that moves audio: takes what the sources have, scores it in one batch, hands events on.

One thread does this for all sources. It never touches a socket, a disk or a lock that others hold for long: events
go to a bounded queue, and what the dashboard sees is only made while somebody looks.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.inference.batcher import score_ready
from edge.pipeline import Pipeline, scores_of
from edge.telemetry import is_up
from edge.timestamps import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from edge.audio.runner import SourceRunner
    from edge.inference.onnx import OnnxClassifier
    from edge.telemetry import Metrics
    from edge.types import AudioBlock, Event, Level, MelWindow, Pattern

log = logging.getLogger("tocsin.engine")

_TURN_S = 0.25  # longest wait for audio: how soon a source that went away is noticed
_MEL_TOP = 255


class History:
    """The last seconds of a stream's sound, for the clips of events. Kept only where clips are allowed."""

    def __init__(self, seconds: float, rate_hz: int) -> None:
        """Keep at least `seconds`."""
        self._limit = round(seconds * rate_hz)
        self._blocks: deque[AudioBlock] = deque()

    def push(self, block: AudioBlock) -> None:
        """Add a block and forget what is too old."""
        self._blocks.append(block)
        while self._blocks and block.start - self._blocks[0].start > self._limit:
            self._blocks.popleft()

    def cut(self, start: int, end: int) -> NDArray[np.float32]:
        """Return what is still there of the samples from `start` to `end`, shape (n,)."""
        parts = [b.samples[max(0, start - b.start) : max(0, end - b.start)] for b in self._blocks if b.start < end]
        return np.concatenate(parts) if parts else np.empty(0, np.float32)


@dataclass
class Stream:
    """A source and its pipeline."""

    runner: SourceRunner
    pipeline: Pipeline
    history: History | None = None
    clips: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    """The sound so far of the events that are going on and whose sound is to be kept."""
    expected: int = 0
    was_up: bool = False
    flushed: bool = False
    latest: NDArray[np.float32] | None = None
    """The last probabilities, shape (labels,)."""

    @property
    def name(self) -> str:
        """The source's name."""
        return self.runner.name


class Engine:
    """Runs every stream on one thread."""

    def __init__(
        self,
        streams: Sequence[Stream],
        classifier: OnnxClassifier,
        wake: threading.Event,
        *,
        metrics: Metrics,
        max_batch: int = 64,
        on_event: Callable[[Stream, Event], None],
        on_level: Callable[[Stream, Level], None] | None = None,
        on_pattern: Callable[[Stream, Pattern], None] | None = None,
        on_turn: Callable[[bool], None] | None = None,
    ) -> None:
        """Take the streams; `wake` is set by their runners.

        `on_event`, `on_level`, `on_pattern` and `on_turn` (told whether audio moved) are called on the engine's thread
        and must not block.
        """
        self.streams = list(streams)
        self.live_listeners: list[Callable[[dict[str, Any]], None]] = []
        self._classifier = classifier
        self._wake = wake
        self._metrics = metrics
        self._max_batch = max_batch
        self._on_event, self._on_level, self._on_turn = on_event, on_level, on_turn
        self._on_pattern = on_pattern
        self._stopping = threading.Event()
        self._finished = threading.Event()
        self._commands: deque[Callable[[], None]] = deque()
        self._thread = threading.Thread(target=self._loop, name="engine")
        self.first_scored_s: float | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End every event that is going on, and the thread."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    @property
    def alive(self) -> bool:
        """Whether the loop is running."""
        return self._thread.is_alive()

    def wait_finished(self, timeout_s: float | None = None) -> bool:
        """Wait until every source came to its end and all of it was decided; return whether it did."""
        return self._finished.wait(timeout_s)

    def submit(self, command: Callable[[], None]) -> None:
        """Have `command` run on the engine's thread, between two turns."""
        self._commands.append(command)
        self._wake.set()

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(_TURN_S)
            self._wake.clear()
            try:
                while self._commands:
                    self._commands.popleft()()
                moved = self.turn()
            except Exception:
                # One bad turn must not deafen the node; if every turn is bad, the watchdog is not fed.
                log.exception("a turn of the engine failed")
                self._stopping.wait(_TURN_S)
                continue
            if self._on_turn is not None:
                self._on_turn(moved)
        for stream in self.streams:
            self._end(stream, lost=False)

    def turn(self) -> bool:
        """Analyse what all sources have now; return whether there was any."""
        ready: list[tuple[Stream, MelWindow]] = []
        moved = False
        for stream in self.streams:
            blocks = stream.runner.take()
            moved = moved or bool(blocks)
            for block in blocks:
                if stream.pipeline.jumps(block):
                    # What was heard before the gap is decided before the pipeline forgets it.
                    self._score([entry for entry in ready if entry[0] is stream])
                    ready = [entry for entry in ready if entry[0] is not stream]
                    self._count_dropped(stream, block)
                stream.expected = block.start + block.samples.size
                if stream.history is not None:
                    stream.history.push(block)
                ready += [(stream, window) for window in stream.pipeline.feed(block)]
        self._score(ready)
        for stream in self.streams:
            self._follow_state(stream)
            self._tell_patterns(stream)
            if self._on_level is not None:
                for level in stream.pipeline.take_levels():
                    self._on_level(stream, level)
        if self.streams and all(stream.flushed for stream in self.streams):
            self._finished.set()
        return moved

    def _score(self, ready: Sequence[tuple[Stream, MelWindow]]) -> None:
        for stream, window, row in score_ready(ready, self._classifier, self._max_batch, self._metrics.inference):
            self._metrics.windows.labels(stream.name).inc()
            for event in stream.pipeline.decide(scores_of(window, row)):
                self._on_event(stream, event)
            stream.latest = row
            if self.live_listeners:
                self._show(stream, window, row)
        if ready and self.first_scored_s is None:
            self.first_scored_s = time.monotonic()

    def _count_dropped(self, stream: Stream, block: AudioBlock) -> None:
        lost = block.start - stream.expected
        if stream.was_up and lost > 0:
            self._metrics.windows_dropped.labels(stream.name).inc(lost // stream.pipeline.params.decision_samples)

    def _follow_state(self, stream: Stream) -> None:
        stats = stream.runner.stats()
        up = is_up(stats.state)
        if up:
            stream.flushed = False
        elif stats.lag_s == 0.0 and not stream.flushed:
            if stats.finished:
                self._score([(stream, window) for window in stream.pipeline.flush()])
            self._end(stream, lost=not stats.finished)
            stream.flushed = stats.finished
        stream.was_up = up

    def _end(self, stream: Stream, *, lost: bool) -> None:
        stream.latest = None
        for event in stream.pipeline.interrupt(lost=lost):
            self._on_event(stream, event)
        if not lost:
            stream.pipeline.close()
            self._tell_patterns(stream)

    def _tell_patterns(self, stream: Stream) -> None:
        if stream.pipeline.claps is not None:
            claps = sum(onset.clap is not None for onset in stream.pipeline.claps.take_onsets())
            self._metrics.clap_onsets.labels(stream.name).inc(claps)
        for pattern in stream.pipeline.take_patterns():
            if self._on_pattern is not None:
                self._on_pattern(stream, pattern)

    def _show(self, stream: Stream, window: MelWindow, row: NDArray[np.float32]) -> None:
        params = stream.pipeline.params
        newest = window.features[-params.decision_frames :].max(axis=0)
        low, high = params.silence, params.offset * params.scale  # from silence to a band at full scale
        mel = np.clip((newest - low) / (high - low) * _MEL_TOP, 0, _MEL_TOP).astype(np.uint8)
        frame: dict[str, Any] = {
            "source": stream.name,
            "time": rfc3339(stream.runner.timeline.utc(window.end)),
            "scores": {label: round(float(p), 4) for label, p in zip(self._classifier.bundle.labels, row, strict=True)},
            "laeq": round(stream.pipeline.meter.now_db(), 1),
            "mel": mel.tolist(),
        }
        if away := stream.pipeline.away_levels():
            frame["away"] = away
        for listener in tuple(self.live_listeners):
            listener(frame)
