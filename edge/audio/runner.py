"""Thread of a source: open, read, resample, queue, and retry after a loss."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from typing import TYPE_CHECKING

from edge.audio.blockqueue import BlockQueue
from edge.audio.conditioner import Conditioner
from edge.audio.factory import make_source
from edge.audio.meter import SignalMeter
from edge.audio.sources.ready import WAIT_S
from edge.audio.sources.source import StreamEnded
from edge.audio.splice import Splicer
from edge.audio.statelog import StateLog
from edge.audio.timeline import Timeline
from edge.backoff import STEADY_S, Backoff
from edge.clock import ClockSteps
from edge.errors import DataError, SourceUnavailable, TocsinError
from edge.settings.source_spec import MicSpec, SourceSpec, parse_source
from edge.types import SourceState, SourceStats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from edge.audio.sources.source import AudioSource, Chunk
    from edge.types import AudioBlock

log = logging.getLogger("tocsin.audio")
_MAX_WAIT_S = 30.0  # between attempts: a server must not be flooded
_MICROPHONE_MAX_WAIT_S = 3.0  # a local microphone may return at once


class SourceRunner:
    """Runner of one source.

    An error of the source never ends the thread: the source goes offline with the reason in `stats`, and is tried
    again. `timeline` maps sample indices to UTC. Other threads may call any method.
    """

    def __init__(
        self,
        name: str,
        spec: str,
        *,
        rate_hz: int,
        wake: threading.Event,
        queue_s: float = 10.0,
        opener: Callable[[SourceSpec, int], AudioSource] = make_source,
    ) -> None:
        """Parse the spec; nothing is opened before `start`.

        `rate_hz` is the front end's rate; `wake` is set after each new block; the queue holds `queue_s` seconds. Raises
        `UsageError` for an invalid spec.
        """
        self.name = name
        self.timeline = Timeline(rate_hz)
        self._spec, self._rate_hz, self._wake = parse_source(spec), rate_hz, wake
        self._source = opener(self._spec, rate_hz)
        self._queue = BlockQueue(round(queue_s * rate_hz))
        self._splicer = Splicer(rate_hz)
        self._conditioner, self._meter = Conditioner(name), SignalMeter()
        self._max_wait_s = _MICROPHONE_MAX_WAIT_S if isinstance(self._spec, MicSpec) else _MAX_WAIT_S
        self._backoff, self._extra_wait_s = Backoff(self._max_wait_s), 0.0
        self._thread = threading.Thread(target=self._run, name=f"source-{name}", daemon=True)
        self._interrupt, self._stopping, self._enabled = threading.Event(), False, True
        self._state, self._detail = SourceState.OFFLINE, "not opened yet"
        self._state_log = StateLog(name)
        self._samples = self._overflows = self._dropped_samples = 0
        self._last_sound_s, self._fault = -math.inf, ""
        self._device, self._source_rate_hz, self._finished = "", 0, False

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Close the source and end the thread; wait at most `timeout_s`."""
        self._stopping = True
        self._interrupt.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def set_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - a setter of one thing
        """Close the source (state `disabled`) or open it again."""
        self._enabled = enabled
        self._interrupt.set()

    def take_offline(self, why: str) -> None:
        """Take the source offline because its sound cannot be analysed; then retry it."""
        self._fault = why
        self._queue.take()
        if self._finished:
            self._detail = why

    def take(self) -> list[AudioBlock]:
        """Remove and return all blocks in the queue, oldest first, without waiting."""
        return self._queue.take()

    def stats(self) -> SourceStats:
        """Return the state of the source and its totals."""
        return SourceStats(
            name=self.name,
            spec=self._spec.masked,
            state=self._state,
            detail=self._detail,
            samples_total=self._samples,
            overflows_total=self._overflows,
            gap_s_total=(self._splicer.gap_samples + self._dropped_samples) / self._rate_hz,
            clipped_s_total=self._meter.clipped_s,
            bad_samples_total=self._conditioner.bad_samples,
            silent_s=self._meter.silent_s,
            last_block_age_s=time.monotonic() - self._last_sound_s,
            lag_s=self._queue.samples / self._rate_hz,
            device=self._device,
            rate_hz=self._source_rate_hz,
            finished=self._finished,
            lost=self._finished and self._source.clocked,
        )

    def _run(self) -> None:
        while not self._stopping:
            self._interrupt.clear()
            if not self._enabled and not self._stopping:
                self._set_state(SourceState.DISABLED, "")
                self._interrupt.wait()
            elif self._run_session():
                self._finished = True
                return
            elif self._wanted:
                self._interrupt.wait(self._extra_wait_s + self._backoff.next_s())

    def _run_session(self) -> bool:
        """Open and read the source until a loss or `stop`; return whether it has ended."""
        begun, self._extra_wait_s, self._fault = self._samples, 0.0, ""
        source = self._source
        try:
            source.open()
            self._conditioner.restart()
            self._meter.restart()
            return self._read_chunks(source)
        except TocsinError as exc:
            self._flush(source)
            # A recording on a server would only be played again; a radio stream may return after a while.
            self._extra_wait_s = self._max_wait_s if isinstance(exc, StreamEnded) else 0.0
            # A damaged recording would be played up to the damage a second time.
            self._set_state(SourceState.OFFLINE, str(exc))
            return isinstance(exc, DataError) and self._samples > begun
        except Exception as exc:  # an unexpected error must not end the thread
            log.debug("source %s", self.name, exc_info=True)
            self._flush(source)
            self._set_state(SourceState.OFFLINE, f"unexpected {type(exc).__name__}: {exc}")
            return False
        finally:
            with self._log_errors("close"):
                source.close()

    def _read_chunks(self, source: AudioSource) -> bool:
        opened_s, opened_unix_s, first, steady = time.monotonic(), time.time(), True, False
        steps = None if source.clocked else ClockSteps()
        while self._wanted:
            if self._fault:
                self._pause(source)
                opened_s, steady = time.monotonic(), False
            chunk = source.read()
            now_s = time.monotonic()
            if chunk is None:
                self._flush(source)
                self._finish("standard input has ended" if source.clocked else "end of file")
                return True
            if not chunk.samples.size:
                self._check_stall(source, now_s, max(opened_s, self._last_sound_s))
                continue
            chunk = self._conditioner.process(chunk)
            self._mark_gap(source, chunk, now_s, first=first)
            if not source.clocked and first:
                self.timeline.anchor(self._splicer.position, opened_unix_s)
            if steps and (step_s := steps.take()):
                self.timeline.shift(step_s)
            self._process(source, chunk)
            first = False
            if not steady and now_s - opened_s > STEADY_S:
                self._backoff.reset()
                self._state_log.reset()
                steady = True
        self._flush(source)
        return False

    def _pause(self, source: AudioSource) -> None:
        """Take the source offline after `take_offline`.

        A recording then continues after a gap, because opened again it would be played twice.
        """
        why, self._fault = self._fault, ""
        if source.clocked:
            raise SourceUnavailable(why)
        self._flush(source)
        self._set_state(SourceState.OFFLINE, why)
        self._interrupt.wait(self._backoff.next_s())
        self._emit(self._splicer.cut(1), source)

    @property
    def _wanted(self) -> bool:
        return self._enabled and not self._stopping

    def _check_stall(self, source: AudioSource, now_s: float, since_s: float) -> None:
        if now_s - since_s > source.stall_s:
            self._flush(source)
            self._set_state(SourceState.OFFLINE, f"open, but no sound came for {source.stall_s:g} s")

    def _mark_gap(self, source: AudioSource, chunk: Chunk, now_s: float, *, first: bool) -> None:
        """Move the index by the time without sound, at the first sound after a break."""
        away_s = now_s - self._last_sound_s
        if math.isinf(away_s) or not (first or (source.clocked and away_s > source.stall_s)):
            return
        lost_s = max(0.0, away_s - chunk.samples.size / source.rate_hz)
        self._emit(self._splicer.cut(round(lost_s * self._rate_hz) if source.clocked else 1), source)

    def _process(self, source: AudioSource, chunk: Chunk) -> None:
        if chunk.lost:
            self._overflows += 1
        self._device, self._source_rate_hz = source.device, source.rate_hz
        self._meter.push(chunk.samples, source.rate_hz)
        unix_s = time.time()
        blocks = list(self._splicer.push(chunk, source.rate_hz))
        if source.clocked:
            self.timeline.observe(self._splicer.position, unix_s)
        self._emit(blocks, source)
        self._last_sound_s = time.monotonic()
        self._set_state(self._meter.state, self._conditioner.remark)

    def _flush(self, source: AudioSource) -> None:
        """Deliver the rest from the resampler, before the state becomes offline.

        After that state no sound may follow.
        """
        with self._log_errors("deliver the last sound"):
            self._emit(self._splicer.finish(), source)

    @contextlib.contextmanager
    def _log_errors(self, doing: str) -> Iterator[None]:
        """Log an error while a source is being closed."""
        try:
            yield
        except Exception:  # the next attempt needs this thread
            log.exception("source %s could not %s", self.name, doing)

    def _emit(self, blocks: Iterable[AudioBlock], source: AudioSource) -> None:
        for block in blocks:
            if source.live:
                dropped = self._queue.put_or_drop(block)
                self._overflows += bool(dropped)
                self._dropped_samples += dropped
            else:
                while not self._queue.put_or_wait(block, WAIT_S):
                    if not self._wanted:
                        return
            self._samples += block.samples.size
            self._wake.set()

    def _finish(self, detail: str) -> None:
        self._state, self._detail, self._finished = SourceState.OFFLINE, detail, True
        self._state_log.log_end(detail, lost=self._source.clocked)

    def _set_state(self, state: SourceState, detail: str) -> None:
        if state is not self._state or detail != self._detail:
            changed = state is not self._state or state is SourceState.OFFLINE
            self._state, self._detail = state, detail
            if changed:
                self._state_log.log_state(state, detail, self._device)
