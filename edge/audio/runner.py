"""One thread per source: open, read, resample, queue; and when the source is lost, try again for ever."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from typing import TYPE_CHECKING

from edge.audio.announce import Announcer
from edge.audio.blockqueue import BlockQueue
from edge.audio.factory import make_source
from edge.audio.intake import Intake
from edge.audio.meter import SignalMeter
from edge.audio.sources.ready import WAIT_S
from edge.audio.sources.source import StreamEnded
from edge.audio.splice import Splicer
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

_LOG = logging.getLogger("tocsin.audio")
_CAP_S, _MICROPHONE_CAP_S = 30.0, 3.0  # a microphone is here and should be back at once; a server is to be spared


class SourceRunner:
    """Keeps one source going, and its blocks coming.

    Nothing that happens to the source leaves the thread as an exception: it is offline, says why, and is tried
    again. `timeline` tells when an index was heard. Other threads may call any method.
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
        """Read the spec (`UsageError` when it is wrong); nothing is opened before `start`.

        `rate_hz` is the front end's rate; `wake` is set whenever a block waits; `queue_s` seconds may wait.
        """
        self.name = name
        self.timeline = Timeline(rate_hz)
        self._spec, self._rate_hz, self._wake = parse_source(spec), rate_hz, wake
        self._source = opener(self._spec, rate_hz)
        self._queue = BlockQueue(round(queue_s * rate_hz))
        self._splicer = Splicer(rate_hz)
        self._intake, self._meter = Intake(name), SignalMeter()
        self._cap_s = _MICROPHONE_CAP_S if isinstance(self._spec, MicSpec) else _CAP_S
        self._backoff, self._rest_s = Backoff(self._cap_s), 0.0
        self._thread = threading.Thread(target=self._run, name=f"source-{name}", daemon=True)
        self._nudge, self._stopping, self._enabled = threading.Event(), False, True
        self._state, self._detail = SourceState.OFFLINE, "not opened yet"
        self._announcer = Announcer(name)
        self._samples = self._overflows = self._dropped_samples = 0
        self._heard_s, self._fault = -math.inf, ""
        self._device, self._source_rate_hz, self._finished = "", 0, False

    def start(self) -> None:
        """Begin in a thread of its own."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Close the source and end the thread; waits at most `timeout_s`."""
        self._stopping = True
        self._nudge.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def set_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - a setter of one thing
        """Close the source (state `disabled`) or open it again."""
        self._enabled = enabled
        self._nudge.set()

    def break_off(self, why: str) -> None:
        """Take the source offline, as its sound cannot be analysed; it is tried again."""
        self._fault = why
        self._queue.take()
        if self._finished:
            self._detail = why

    def take(self) -> list[AudioBlock]:
        """Return all blocks that wait, oldest first, without waiting."""
        return self._queue.take()

    def stats(self) -> SourceStats:
        """Return what the source is doing and what happened to it so far."""
        return SourceStats(
            name=self.name,
            spec=self._spec.masked,
            state=self._state,
            detail=self._detail,
            samples_total=self._samples,
            overflows_total=self._overflows,
            gap_s_total=(self._splicer.gap_samples + self._dropped_samples) / self._rate_hz,
            clipped_s_total=self._meter.clipped_s,
            bad_samples_total=self._intake.bad_samples,
            silent_s=self._meter.silent_s,
            last_block_age_s=time.monotonic() - self._heard_s,
            lag_s=self._queue.samples / self._rate_hz,
            device=self._device,
            rate_hz=self._source_rate_hz,
            finished=self._finished,
            lost=self._finished and self._source.clocked,
        )

    def _run(self) -> None:
        while not self._stopping:
            self._nudge.clear()
            if not self._enabled and not self._stopping:
                self._say(SourceState.DISABLED, "")
                self._nudge.wait()
            elif self._session():
                self._finished = True
                return
            elif self._wanted:
                self._nudge.wait(self._rest_s + self._backoff.next_s())

    def _session(self) -> bool:
        """Open the source and read it until it is lost or not wanted; return whether it came to its end."""
        begun, self._rest_s, self._fault = self._samples, 0.0, ""
        source = self._source
        try:
            source.open()
            self._intake.restart()
            self._meter.restart()
            return self._play(source)
        except TocsinError as exc:
            self._flush(source)
            # A recording on a server would only be heard again; a radio may be back after a while.
            self._rest_s = self._cap_s if isinstance(exc, StreamEnded) else 0.0
            # A recording that turns out to be damaged would turn out so again, and be heard twice.
            self._say(SourceState.OFFLINE, str(exc))
            return isinstance(exc, DataError) and self._samples > begun
        except Exception as exc:  # noqa: BLE001 - a fault in one source must not end it, nor hide
            _LOG.debug("source %s", self.name, exc_info=True)
            self._flush(source)
            self._say(SourceState.OFFLINE, f"unexpected {type(exc).__name__}: {exc}")
            return False
        finally:
            with self._surviving("close"):
                source.close()

    def _play(self, source: AudioSource) -> bool:
        opened_s, opened_unix_s, fresh, steady = time.monotonic(), time.time(), True, False
        steps = None if source.clocked else ClockSteps()
        while self._wanted:
            if self._fault:
                self._pause(source)
                opened_s, steady = time.monotonic(), False
            chunk = source.read()
            now_s = time.monotonic()
            if chunk is None:
                self._flush(source)
                self._end("standard input has ended" if source.clocked else "end of file")
                return True
            if not chunk.samples.size:
                self._check_stall(source, now_s, max(opened_s, self._heard_s))
                continue
            chunk = self._intake.take(chunk)
            self._mark_gap(source, chunk, now_s, fresh=fresh)
            if not source.clocked and fresh:
                self.timeline.anchor(self._splicer.position, opened_unix_s)
            if steps and (step_s := steps.take()):
                self.timeline.shift(step_s)
            self._hear(source, chunk)
            fresh = False
            if not steady and now_s - opened_s > STEADY_S:
                self._backoff.reset()
                self._announcer.forget()
                steady = True
        self._flush(source)
        return False

    def _pause(self, source: AudioSource) -> None:
        """Break off as `break_off` asks: a recording goes on behind a gap, as anew it would be heard twice."""
        why, self._fault = self._fault, ""
        if source.clocked:
            raise SourceUnavailable(why)
        self._flush(source)
        self._say(SourceState.OFFLINE, why)
        self._nudge.wait(self._backoff.next_s())
        self._emit(self._splicer.cut(1), source)

    @property
    def _wanted(self) -> bool:
        return self._enabled and not self._stopping

    def _check_stall(self, source: AudioSource, now_s: float, since_s: float) -> None:
        if now_s - since_s > source.stall_s:
            self._flush(source)
            self._say(SourceState.OFFLINE, f"open, but no sound came for {source.stall_s:g} s")

    def _mark_gap(self, source: AudioSource, chunk: Chunk, now_s: float, *, fresh: bool) -> None:
        """Let the index jump by the time that passed without sound, if this is the first sound after a break."""
        away_s = now_s - self._heard_s
        if math.isinf(away_s) or not (fresh or (source.clocked and away_s > source.stall_s)):
            return
        lost_s = max(0.0, away_s - chunk.samples.size / source.rate_hz)
        self._emit(self._splicer.cut(round(lost_s * self._rate_hz) if source.clocked else 1), source)

    def _hear(self, source: AudioSource, chunk: Chunk) -> None:
        if chunk.lost:
            self._overflows += 1
        self._device, self._source_rate_hz = source.device, source.rate_hz
        self._meter.push(chunk.samples, source.rate_hz)
        unix_s = time.time()
        blocks = list(self._splicer.push(chunk, source.rate_hz))
        if source.clocked:
            self.timeline.observe(self._splicer.position, unix_s)
        self._emit(blocks, source)
        self._heard_s = time.monotonic()
        self._say(self._meter.state, self._intake.remark)

    def _flush(self, source: AudioSource) -> None:
        """Deliver what the resampler holds: before the word that the source is gone, after which no sound may come."""
        with self._surviving("deliver the last sound"):
            self._emit(self._splicer.finish(), source)

    @contextlib.contextmanager
    def _surviving(self, doing: str) -> Iterator[None]:
        """Log what goes wrong in giving a source up."""
        try:
            yield
        except Exception:  # noqa: BLE001 - the next try needs this thread
            _LOG.exception("source %s could not %s", self.name, doing)

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

    def _end(self, detail: str) -> None:
        self._state, self._detail, self._finished = SourceState.OFFLINE, detail, True
        self._announcer.end(detail, lost=self._source.clocked)

    def _say(self, state: SourceState, detail: str) -> None:
        if state is not self._state or detail != self._detail:
            changed = state is not self._state or state is SourceState.OFFLINE
            self._state, self._detail = state, detail
            if changed:
                self._announcer.say(state, detail, self._device)
