"""The runner with a scripted source: states, gaps, queue, log."""

from __future__ import annotations

import functools
import logging
import math
import queue
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge.audio import runner as runner_module
from edge.audio.sources.source import Chunk, StreamEnded
from edge.audio.statelog import StateLog
from edge.errors import BrokenAudio, SourceUnavailable, UsageError
from edge.types import SourceState
from tests.audio.listener import RATE, Listener

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    Listen: TypeAlias = Callable[..., Listener]

Step = Chunk | BaseException | None


class ScriptedSource:
    """Source that returns the chunks put by the test, and raises its exceptions."""

    device = "script"

    def __init__(self, rate_hz: int = RATE, *, live: bool = True, clocked: bool = True, stall_s: float = 3.0) -> None:
        self.rate_hz, self.live, self.clocked, self.stall_s = rate_hz, live, clocked, stall_s
        self.steps: queue.Queue[Step] = queue.Queue()
        self.opened = self.closed = 0
        self.refusals: list[BaseException] = []

    def open(self) -> None:
        self.opened += 1
        if self.refusals:
            raise self.refusals.pop(0)

    def read(self) -> Chunk | None:
        try:
            step = self.steps.get(timeout=0.02)
        except queue.Empty:
            return Chunk(np.empty(0, np.float32))
        if isinstance(step, BaseException):
            raise step
        return step

    def close(self) -> None:
        self.closed += 1

    def was_opened(self, times: int) -> bool:
        """Return whether the source was opened this many times."""
        return self.opened == times

    def play(self, seconds: float = 0.1, lost: int = 0) -> None:
        """Put a chunk of noise."""
        noise = np.random.default_rng(0).normal(0, 0.1, round(seconds * self.rate_hz)).astype(np.float32)
        self.steps.put(Chunk(noise, lost))


@pytest.fixture
def script() -> ScriptedSource:
    """Return a live source at the rate of the front end."""
    return ScriptedSource()


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the waits between attempts, which have their own tests."""
    monkeypatch.setattr(runner_module, "_MAX_WAIT_S", 0.05)
    monkeypatch.setattr(runner_module, "_MICROPHONE_MAX_WAIT_S", 0.05)


def start_runner(listen: Listen, script: ScriptedSource, **options: float) -> Listener:
    """Start a runner with the scripted source."""
    return listen("udp://:5005", opener=lambda spec, rate_hz: script, **options)


def test_blocks_come_in_order_with_their_index_and_time(listen: Listen, script: ScriptedSource) -> None:
    """Blocks are delivered, `wake` is set, and each index has a UTC time near now."""
    listener = start_runner(listen, script)
    for _ in range(5):
        script.play()
    listener.collect_until(lambda: listener.samples.size == 0.5 * RATE)
    assert listener.gaps == []
    assert listener.blocks[0].start == 0
    age_s = time.time() - listener.runner.timeline.utc(RATE // 2).timestamp()
    assert abs(age_s) < 2
    stats = listener.runner.stats()
    assert (stats.state, stats.detail, stats.device, stats.rate_hz) == (SourceState.ONLINE, "", "script", RATE)
    assert (stats.samples_total, stats.overflows_total, stats.gap_s_total, stats.lag_s) == (RATE // 2, 0, 0, 0)
    assert 0 <= stats.last_block_age_s < 5


def test_before_the_start_it_is_offline(script: ScriptedSource) -> None:
    """A source that was never opened is offline, with no samples."""
    stats = Listener("mic", opener=lambda spec, rate_hz: script).runner.stats()
    assert (stats.state, stats.samples_total) == (SourceState.OFFLINE, 0)
    assert math.isinf(stats.last_block_age_s)


def test_an_invalid_spec_is_refused_at_once() -> None:
    """An invalid spec is an error of the constructor, not of the thread."""
    with pytest.raises(UsageError):
        Listener("tape")


def test_a_loss_inside_the_source_is_a_gap(listen: Listen, script: ScriptedSource) -> None:
    """Lost samples move the index and are counted."""
    listener = start_runner(listen, script)
    script.play()
    script.play(lost=800)
    listener.collect_until(lambda: listener.samples.size == 0.2 * RATE)
    assert listener.gaps == [(1600, 800)]
    stats = listener.runner.stats()
    assert (stats.overflows_total, stats.gap_s_total) == (1, 0.05)


def test_a_lost_source_returns_after_a_gap(listen: Listen, script: ScriptedSource) -> None:
    """After the source is opened again, the index has moved by the time that passed."""
    listener = start_runner(listen, script)
    script.play()
    listener.collect_until(lambda: listener.samples.size == 0.1 * RATE)
    script.refusals = [SourceUnavailable("not yet"), SourceUnavailable("not yet")]
    script.steps.put(SourceUnavailable("pulled out"))
    begun = time.monotonic()
    listener.collect_until(lambda: script.opened >= 4)
    script.play()
    listener.collect_until(lambda: listener.samples.size == 0.2 * RATE)
    ((index, length),) = listener.gaps
    assert index == 1600
    assert 1 <= length <= (time.monotonic() - begun + 1) * RATE
    assert listener.runner.stats().gap_s_total == pytest.approx(length / RATE)
    assert script.closed == 3


def test_a_source_whose_sound_cannot_be_analysed_is_offline_and_opened_again(
    listen: Listen, script: ScriptedSource
) -> None:
    """It is offline with the reason and opened again each time; sound continues after a gap."""
    listener = start_runner(listen, script)
    script.play()
    listener.collect_until(lambda: listener.samples.size == 0.1 * RATE)
    for opened in (2, 3):
        listener.runner.take_offline("its sound cannot be analysed")
        listener.collect_until(lambda: listener.runner.stats().detail == "its sound cannot be analysed")
        assert listener.runner.stats().state is SourceState.OFFLINE
        listener.collect_until(functools.partial(script.was_opened, opened))
    script.play()
    listener.collect_until(lambda: listener.samples.size == 0.2 * RATE)
    assert listener.runner.stats().state is SourceState.ONLINE
    assert len(listener.gaps) == 1


def test_a_recording_that_cannot_be_analysed_continues_after_a_gap(listen: Listen, script: ScriptedSource) -> None:
    """It continues from its position, after a gap of one sample, and is not opened again."""
    script.live = script.clocked = False
    listener = start_runner(listen, script)
    script.play()
    listener.collect_until(lambda: listener.samples.size == 0.1 * RATE)
    listener.runner.take_offline("its sound cannot be analysed")
    listener.collect_until(lambda: listener.runner.stats().detail == "its sound cannot be analysed")
    script.play()
    listener.collect_until(lambda: listener.samples.size == 0.2 * RATE)
    assert (listener.gaps, script.opened) == ([(1600, 1)], 1)
    script.steps.put(None)
    listener.collect_all()
    listener.runner.take_offline("its end cannot be analysed")
    assert listener.runner.stats().detail == "its end cannot be analysed"


def test_invalid_samples_are_counted_and_channels_become_one(listen: Listen, script: ScriptedSource) -> None:
    """A source may deliver floats in several channels."""
    listener = start_runner(listen, script)
    samples = np.full((RATE, 2), 0.25, np.float32)
    samples[:, 1] *= -1
    samples[100:200] = np.nan
    samples[300, 0] = 1e38
    script.steps.put(Chunk(samples))
    listener.collect_until(lambda: listener.samples.size == RATE)
    stats = listener.runner.stats()
    assert stats.bad_samples_total == 201
    assert np.isfinite(listener.samples).all()
    assert np.abs(listener.samples).max() <= 0.25


def test_the_rest_of_a_lost_source_comes_before_the_gap(listen: Listen) -> None:
    """The rest from the resampler is delivered after a loss."""
    script = ScriptedSource(48_000)
    listener = start_runner(listen, script)
    script.play(1.0)
    script.steps.put(SourceUnavailable("pulled out"))
    listener.collect_until(lambda: listener.samples.size == RATE)
    assert listener.gaps == []


@pytest.mark.parametrize("fault", [SourceUnavailable("pulled out"), ZeroDivisionError("oops")])
def test_no_sound_comes_after_the_state_offline(
    listen: Listen, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """The rest of the sound comes first, even if closing takes long."""
    script, closing = ScriptedSource(48_000), threading.Event()
    monkeypatch.setattr(script, "close", closing.wait)
    listener = start_runner(listen, script)
    script.play(1.0)
    script.steps.put(fault)
    try:
        listener.collect_until(lambda: str(fault) in listener.runner.stats().detail, take=False)
        listener.blocks += listener.runner.take()
    finally:
        closing.set()
    assert listener.samples.size == RATE


def test_no_sound_comes_after_a_stall(listen: Listen) -> None:
    """A source that stalls delivers the rest of its sound before it is offline."""
    script = ScriptedSource(48_000, stall_s=0.2)
    listener = start_runner(listen, script)
    script.play(1.0)
    listener.collect_until_state(SourceState.ONLINE)
    listener.collect_until(lambda: listener.runner.stats().state is SourceState.OFFLINE, take=False)
    listener.blocks += listener.runner.take()
    assert listener.samples.size == RATE


def test_a_full_queue_at_the_end_does_not_stop_the_runner(listen: Listen) -> None:
    """A source that is disabled while its last sound waits for room can be enabled again."""
    script = ScriptedSource(48_000, live=False)
    listener = start_runner(listen, script, queue_s=0.1)
    script.play(1.0)
    script.steps.put(SourceUnavailable("pulled out"))
    listener.collect_until(script.steps.empty, take=False)
    listener.runner.set_enabled(False)
    listener.collect_until(lambda: listener.runner.stats().state is SourceState.DISABLED, take=False)
    listener.runner.set_enabled(True)
    script.play(1.0)
    listener.collect_until_state(SourceState.ONLINE)
    listener.collect_until(lambda: listener.samples.size > 1.5 * RATE)


def test_an_error_while_closing_does_not_stop_the_runner(
    listen: Listen, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An error while closing, or with the last sound, is logged, and the source is retried."""

    def fail(*_: object) -> None:
        msg = "not that either"
        raise RuntimeError(msg)

    script = ScriptedSource(48_000)
    listener = start_runner(listen, script)
    monkeypatch.setattr(script, "close", fail)
    monkeypatch.setattr("edge.audio.splice.StreamResampler.push", fail)
    for _ in range(3):
        script.play()
    listener.collect_until(lambda: script.opened > 3)
    monkeypatch.undo()
    script.play()
    listener.collect_until_state(SourceState.ONLINE)
    lines = [record.getMessage() for record in caplog.records]
    assert [lines.count(f"source test could not {doing}") for doing in ("deliver the last sound", "close")] == [3, 3]


@pytest.mark.parametrize("fault", [SourceUnavailable("no such host"), ZeroDivisionError("oops")])
def test_no_error_stops_the_runner(listen: Listen, script: ScriptedSource, fault: Exception) -> None:
    """After any exception the source is offline with the reason, and is retried."""
    script.refusals = [fault] * 5
    listener = start_runner(listen, script)
    listener.collect_until(lambda: str(fault) in listener.runner.stats().detail)
    script.play()
    listener.collect_until_state(SourceState.ONLINE)


def test_frequent_losses_are_logged_at_powers_of_two(caplog: pytest.LogCaptureFixture) -> None:
    """Repeats are logged at powers of two; after a reset, from the first one again."""
    state_log = StateLog("mic")
    for _ in range(9):
        state_log.log_state(SourceState.OFFLINE, "gone", "")
    state_log.reset()
    state_log.log_state(SourceState.OFFLINE, "gone", "")
    line, often = "source mic is offline: gone", "source mic is offline: gone ({} times by now)"
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [line, *(often.format(times) for times in (2, 4, 8)), line]


def test_the_memory_for_log_lines_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """Many failures with different messages do not take more memory."""
    state_log = StateLog("mic")
    for port in range(1000):
        state_log.log_state(SourceState.OFFLINE, f"refused at port {port}", "")
        assert len(state_log._times) <= 64
    assert len(caplog.records) == 1000


def test_a_change_of_state_is_logged_once(
    listen: Listen, script: ScriptedSource, caplog: pytest.LogCaptureFixture
) -> None:
    """Ten refusals are one line, and the return is another."""
    caplog.set_level(logging.INFO, "tocsin.audio")
    script.refusals = [SourceUnavailable("no such host")] * 10
    listener = start_runner(listen, script)
    listener.collect_until(lambda: script.opened > 10)
    script.play()
    listener.collect_until_state(SourceState.ONLINE)
    listener.runner.stop()
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO]
    assert lines == ["source test is offline: no such host", "source test is online: script"]


def test_a_live_source_drops_the_oldest(listen: Listen, script: ScriptedSource) -> None:
    """A full queue keeps the newest second; the dropped samples are a gap, and are counted."""
    listener = start_runner(listen, script, queue_s=1.0)
    for _ in range(30):
        script.play()
    listener.collect_until(lambda: listener.runner.stats().samples_total == 3 * RATE, take=False)
    assert listener.runner.stats().lag_s == 1.0
    blocks = listener.runner.take()
    assert [block.start for block in blocks] == list(range(2 * RATE, 3 * RATE, 1600))
    stats = listener.runner.stats()
    assert (stats.overflows_total, stats.gap_s_total) == (20, 2.0)


def test_a_source_that_can_wait_drops_nothing(listen: Listen) -> None:
    """A full queue makes a recording wait; every sample arrives."""
    script = ScriptedSource(live=False, clocked=False)
    for _ in range(30):
        script.play()
    script.steps.put(None)
    listener = start_runner(listen, script, queue_s=0.3)
    listener.collect_all()
    assert (listener.samples.size, listener.gaps) == (3 * RATE, [])
    assert listener.runner.stats().overflows_total == 0


def test_the_end_of_a_recording_is_reported(listen: Listen) -> None:
    """At its end, a source is offline and finished, with all samples delivered."""
    script = ScriptedSource(48_000, clocked=False)
    script.play(1.0)
    script.steps.put(None)
    listener = start_runner(listen, script)
    listener.collect_all()
    assert listener.samples.size == RATE
    stats = listener.runner.stats()
    assert (stats.state, stats.detail, script.opened) == (SourceState.OFFLINE, "end of file", 1)


@pytest.mark.parametrize("clocked", [True, False])
@pytest.mark.parametrize("step_s", [86_400.0 * 9000, -3600.0])
def test_a_source_follows_a_clock_that_is_set(
    listen: Listen, monkeypatch: pytest.MonkeyPatch, clocked: bool, step_s: float
) -> None:
    """Later sound has the new time, also in a recording that was opened before."""
    script, right_s, offset_s = ScriptedSource(clocked=clocked), time.time, 0.0
    monkeypatch.setattr(time, "time", lambda: right_s() + offset_s)
    listener = start_runner(listen, script)
    script.play()
    listener.collect_seconds(0.1)
    offset_s = step_s
    for _ in range(30):  # a live source believes a late read only after two seconds
        script.play()
    listener.collect_until(lambda: listener.runner.stats().samples_total >= 3 * RATE)
    assert abs(listener.runner.timeline.utc(0).timestamp() - time.time()) < 20


def test_a_damaged_recording_is_not_played_again(listen: Listen, script: ScriptedSource) -> None:
    """Its beginning was played; playing it again would repeat its events."""
    script.play()
    script.steps.put(BrokenAudio("damaged beyond 0.1 s"))
    listener = start_runner(listen, script)
    listener.collect_all()
    assert (listener.runner.stats().detail, script.opened) == ("damaged beyond 0.1 s", 1)


def test_an_open_source_without_sound_goes_offline(listen: Listen) -> None:
    """A source without data is offline; when sound returns, the index has moved by the time."""
    script = ScriptedSource(stall_s=0.2)
    listener = start_runner(listen, script)
    script.play()
    listener.collect_until_state(SourceState.ONLINE)
    listener.collect_until_state(SourceState.OFFLINE)
    assert "no sound came for 0.2 s" in listener.runner.stats().detail
    script.play()
    listener.collect_until_state(SourceState.ONLINE)
    listener.collect_until(lambda: listener.samples.size == 0.2 * RATE)
    assert len(listener.gaps) == 1
    assert script.opened == 1


def test_silence_and_clipping_are_states(listen: Listen, script: ScriptedSource) -> None:
    """The state of the source is that of the meter."""
    listener = start_runner(listen, script)
    for _ in range(11):
        script.steps.put(Chunk(np.zeros(RATE, np.float32)))
    listener.collect_until_state(SourceState.SILENT)
    listener.collect_until(lambda: listener.runner.stats().silent_s == 11)
    script.steps.put(Chunk(np.ones(2 * RATE, np.float32) * np.tile([1, -1], RATE).astype(np.float32)))
    listener.collect_until_state(SourceState.CLIPPING)
    assert listener.runner.stats().clipped_s_total == pytest.approx(2)


def test_disabled_is_closed_and_enabled_goes_on(listen: Listen, script: ScriptedSource) -> None:
    """Disabling a source closes it; enabling it opens it again, after a gap."""
    listener = start_runner(listen, script)
    script.play()
    listener.collect_until_state(SourceState.ONLINE)
    listener.runner.set_enabled(False)
    listener.collect_until_state(SourceState.DISABLED)
    listener.collect_until(lambda: script.closed == 1)
    listener.runner.set_enabled(True)
    script.play()
    listener.collect_until(lambda: listener.samples.size == 0.2 * RATE)
    assert len(listener.gaps) == 1


def test_a_source_may_begin_disabled(listen: Listen, script: ScriptedSource) -> None:
    """A disabled source is not opened."""
    listener = Listener("mic", opener=lambda spec, rate_hz: script)
    listener.runner.set_enabled(False)
    listener.runner.start()
    listener.collect_until_state(SourceState.DISABLED)
    assert script.opened == 0
    listener.runner.stop()


@pytest.mark.parametrize("queue_s", [0.1, 10.0])
def test_stop_is_quick_and_closes(listen: Listen, queue_s: float) -> None:
    """The thread ends soon and closes the source, also while it waits for room in the queue."""
    script = ScriptedSource(live=False)
    listener = start_runner(listen, script, queue_s=queue_s)
    for _ in range(5):
        script.play()
    listener.collect_until_state(SourceState.ONLINE)
    begun = time.monotonic()
    listener.runner.stop()
    assert time.monotonic() - begun < 2
    assert script.closed == 1


def test_a_stream_that_ended_is_retried_after_the_longest_wait(
    listen: Listen, script: ScriptedSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a clean end, a recording on a server is not fetched again at once."""
    monkeypatch.setattr(runner_module, "_MAX_WAIT_S", 0.4)
    listener = start_runner(listen, script)
    script.play()
    script.steps.put(StreamEnded("end of stream"))
    listener.collect_until(lambda: listener.runner.stats().detail == "end of stream")
    assert listener.runner.stats().state is SourceState.OFFLINE
    assert not listener.runner.stats().finished
    assert listener.collect_until(lambda: script.opened > 1) > 0.35
    script.play()
    listener.collect_until_state(SourceState.ONLINE)
