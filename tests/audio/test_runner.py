"""The runner with a source that a test writes: states, gaps, queue, log."""

from __future__ import annotations

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


class Script:
    """A source whose every read is put into it by the test; an exception is raised."""

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

    def play(self, seconds: float = 0.1, lost: int = 0) -> None:
        """Let the source deliver noise."""
        noise = np.random.default_rng(0).normal(0, 0.1, round(seconds * self.rate_hz)).astype(np.float32)
        self.steps.put(Chunk(noise, lost))


@pytest.fixture
def script() -> Script:
    """Return a live source at the front end's rate."""
    return Script()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again soon: the waiting times have tests of their own."""
    monkeypatch.setattr(runner_module, "_MAX_WAIT_S", 0.05)
    monkeypatch.setattr(runner_module, "_MICROPHONE_MAX_WAIT_S", 0.05)


def started(listen: Listen, script: Script, **options: float) -> Listener:
    """Start a runner over the script."""
    return listen("udp://:5005", opener=lambda spec, rate_hz: script, **options)


def test_blocks_come_in_order_with_their_index_and_time(listen: Listen, script: Script) -> None:
    """Sound in, blocks out; `wake` is set, and each index has a UTC time about now."""
    listener = started(listen, script)
    for _ in range(5):
        script.play()
    listener.until(lambda: listener.samples.size == 0.5 * RATE)
    assert listener.gaps == []
    assert listener.blocks[0].start == 0
    age_s = time.time() - listener.runner.timeline.utc(RATE // 2).timestamp()
    assert abs(age_s) < 2
    stats = listener.runner.stats()
    assert (stats.state, stats.detail, stats.device, stats.rate_hz) == (SourceState.ONLINE, "", "script", RATE)
    assert (stats.samples_total, stats.overflows_total, stats.gap_s_total, stats.lag_s) == (RATE // 2, 0, 0, 0)
    assert 0 <= stats.last_block_age_s < 5


def test_before_the_start_it_is_offline(script: Script) -> None:
    """A source that was never opened is honest about it."""
    stats = Listener("mic", opener=lambda spec, rate_hz: script).runner.stats()
    assert (stats.state, stats.samples_total) == (SourceState.OFFLINE, 0)
    assert math.isinf(stats.last_block_age_s)


def test_a_wrong_spec_is_said_at_once() -> None:
    """What can never work does not wait for a thread to find out."""
    with pytest.raises(UsageError):
        Listener("tape")


def test_a_loss_inside_the_source_is_a_gap(listen: Listen, script: Script) -> None:
    """Lost samples move the index and are counted."""
    listener = started(listen, script)
    script.play()
    script.play(lost=800)
    listener.until(lambda: listener.samples.size == 0.2 * RATE)
    assert listener.gaps == [(1600, 800)]
    stats = listener.runner.stats()
    assert (stats.overflows_total, stats.gap_s_total) == (1, 0.05)


def test_a_lost_source_comes_back_behind_a_gap(listen: Listen, script: Script) -> None:
    """Opened again, the index has moved by the time that passed, and the state told both."""
    listener = started(listen, script)
    script.play()
    listener.until(lambda: listener.samples.size == 0.1 * RATE)
    script.refusals = [SourceUnavailable("not yet"), SourceUnavailable("not yet")]
    script.steps.put(SourceUnavailable("pulled out"))
    begun = time.monotonic()
    listener.until(lambda: script.opened >= 4)
    script.play()
    listener.until(lambda: listener.samples.size == 0.2 * RATE)
    ((index, length),) = listener.gaps
    assert index == 1600
    assert 1 <= length <= (time.monotonic() - begun + 1) * RATE
    assert listener.runner.stats().gap_s_total == pytest.approx(length / RATE)
    assert script.closed == 3


def test_a_source_whose_sound_cannot_be_analysed_is_offline_and_opened_again(listen: Listen, script: Script) -> None:
    """With the reason, once each time it is said; what waited is dropped, and the rest comes behind a gap."""
    listener = started(listen, script)
    script.play()
    listener.until(lambda: listener.samples.size == 0.1 * RATE)
    for opened in (2, 3):
        listener.runner.take_offline("its sound cannot be analysed")
        listener.until(lambda: listener.runner.stats().detail == "its sound cannot be analysed")
        assert listener.runner.stats().state is SourceState.OFFLINE
        listener.until(lambda opened=opened: script.opened == opened)
    script.play()
    listener.until(lambda: listener.samples.size == 0.2 * RATE)
    assert listener.runner.stats().state is SourceState.ONLINE
    assert len(listener.gaps) == 1


def test_a_recording_that_cannot_be_analysed_goes_on_and_is_not_heard_twice(listen: Listen, script: Script) -> None:
    """Behind a gap of one sample, and from where it was."""
    script.live = script.clocked = False
    listener = started(listen, script)
    script.play()
    listener.until(lambda: listener.samples.size == 0.1 * RATE)
    listener.runner.take_offline("its sound cannot be analysed")
    listener.until(lambda: listener.runner.stats().detail == "its sound cannot be analysed")
    script.play()
    listener.until(lambda: listener.samples.size == 0.2 * RATE)
    assert (listener.gaps, script.opened) == ([(1600, 1)], 1)
    script.steps.put(None)
    listener.until_finished()
    listener.runner.take_offline("its end cannot be analysed")
    assert listener.runner.stats().detail == "its end cannot be analysed"


def test_what_is_no_sound_is_counted_and_channels_become_one(listen: Listen, script: Script) -> None:
    """From a source that delivers floats, several channels, or both."""
    listener = started(listen, script)
    samples = np.full((RATE, 2), 0.25, np.float32)
    samples[:, 1] *= -1
    samples[100:200] = np.nan
    samples[300, 0] = 1e38
    script.steps.put(Chunk(samples))
    listener.until(lambda: listener.samples.size == RATE)
    stats = listener.runner.stats()
    assert stats.bad_samples_total == 201
    assert np.isfinite(listener.samples).all()
    assert np.abs(listener.samples).max() <= 0.25


def test_what_a_source_held_is_heard_before_the_gap(listen: Listen) -> None:
    """The resampler's tail is not lost with the source."""
    script = Script(48_000)
    listener = started(listen, script)
    script.play(1.0)
    script.steps.put(SourceUnavailable("pulled out"))
    listener.until(lambda: listener.samples.size == RATE)
    assert listener.gaps == []


@pytest.mark.parametrize("fault", [SourceUnavailable("pulled out"), ZeroDivisionError("oops")])
def test_no_sound_comes_after_the_word_that_it_is_offline(
    listen: Listen, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """The tail comes first, however long closing takes."""
    script, closing = Script(48_000), threading.Event()
    monkeypatch.setattr(script, "close", closing.wait)
    listener = started(listen, script)
    script.play(1.0)
    script.steps.put(fault)
    try:
        listener.until(lambda: str(fault) in listener.runner.stats().detail, take=False)
        listener.blocks += listener.runner.take()
    finally:
        closing.set()
    assert listener.samples.size == RATE


def test_no_sound_comes_after_the_word_that_nothing_comes(listen: Listen) -> None:
    """A source that stays open but stalls has delivered its tail before it is called offline."""
    script = Script(48_000, stall_s=0.2)
    listener = started(listen, script)
    script.play(1.0)
    listener.until_state(SourceState.ONLINE)
    listener.until(lambda: listener.runner.stats().state is SourceState.OFFLINE, take=False)
    listener.blocks += listener.runner.take()
    assert listener.samples.size == RATE


def test_a_tail_without_room_does_not_end_the_runner(listen: Listen) -> None:
    """Switched off while its last sound waits for room, a source goes on when it is switched on again."""
    script = Script(48_000, live=False)
    listener = started(listen, script, queue_s=0.1)
    script.play(1.0)
    script.steps.put(SourceUnavailable("pulled out"))
    listener.until(script.steps.empty, take=False)
    listener.runner.set_enabled(False)
    listener.until(lambda: listener.runner.stats().state is SourceState.DISABLED, take=False)
    listener.runner.set_enabled(True)
    script.play(1.0)
    listener.until_state(SourceState.ONLINE)
    listener.until(lambda: listener.samples.size > 1.5 * RATE)


def test_trouble_in_giving_a_source_up_does_not_end_the_runner(
    listen: Listen, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault while closing, or in the tail, is logged, and the source tried again."""

    def fail(*_: object) -> None:
        msg = "not that either"
        raise RuntimeError(msg)

    script = Script(48_000)
    listener = started(listen, script)
    monkeypatch.setattr(script, "close", fail)
    monkeypatch.setattr("edge.audio.splice.StreamResampler.push", fail)
    for _ in range(3):
        script.play()
    listener.until(lambda: script.opened > 3)
    monkeypatch.undo()
    script.play()
    listener.until_state(SourceState.ONLINE)
    lines = [record.getMessage() for record in caplog.records]
    assert [lines.count(f"source test could not {doing}") for doing in ("deliver the last sound", "close")] == [3, 3]


@pytest.mark.parametrize("fault", [SourceUnavailable("no such host"), ZeroDivisionError("oops")])
def test_no_error_ends_the_runner(listen: Listen, script: Script, fault: Exception) -> None:
    """Whatever a source raises, the runner is offline, says why, and goes on trying."""
    script.refusals = [fault] * 5
    listener = started(listen, script)
    listener.until(lambda: str(fault) in listener.runner.stats().detail)
    script.play()
    listener.until_state(SourceState.ONLINE)


def test_losses_in_short_order_are_said_ever_more_rarely(caplog: pytest.LogCaptureFixture) -> None:
    """The second is news, the hundredth is not; after some time without one, each is again."""
    state_log = StateLog("mic")
    for _ in range(9):
        state_log.log_state(SourceState.OFFLINE, "gone", "")
    state_log.reset()
    state_log.log_state(SourceState.OFFLINE, "gone", "")
    line, often = "source mic is offline: gone", "source mic is offline: gone ({} times by now)"
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [line, *(often.format(times) for times in (2, 4, 8)), line]


def test_what_is_new_each_time_is_not_remembered_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    """A year of failures that each name another port takes no more memory than a day of them."""
    state_log = StateLog("mic")
    for port in range(1000):
        state_log.log_state(SourceState.OFFLINE, f"refused at port {port}", "")
        assert len(state_log._times) <= 64
    assert len(caplog.records) == 1000


def test_the_log_says_a_change_once(listen: Listen, script: Script, caplog: pytest.LogCaptureFixture) -> None:
    """Ten refusals are one line, and the return another."""
    caplog.set_level(logging.INFO, "tocsin.audio")
    script.refusals = [SourceUnavailable("no such host")] * 10
    listener = started(listen, script)
    listener.until(lambda: script.opened > 10)
    script.play()
    listener.until_state(SourceState.ONLINE)
    listener.runner.stop()
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO]
    assert lines == ["source test is offline: no such host", "source test is online: script"]


def test_a_live_source_drops_the_oldest(listen: Listen, script: Script) -> None:
    """A full queue keeps the newest second; what it dropped is a jump, and counted."""
    listener = started(listen, script, queue_s=1.0)
    for _ in range(30):
        script.play()
    listener.until(lambda: listener.runner.stats().samples_total == 3 * RATE, take=False)
    assert listener.runner.stats().lag_s == 1.0
    blocks = listener.runner.take()
    assert [block.start for block in blocks] == list(range(2 * RATE, 3 * RATE, 1600))
    stats = listener.runner.stats()
    assert (stats.overflows_total, stats.gap_s_total) == (20, 2.0)


def test_a_source_that_can_wait_drops_nothing(listen: Listen) -> None:
    """A full queue holds a recording back; every sample arrives."""
    script = Script(live=False, clocked=False)
    for _ in range(30):
        script.play()
    script.steps.put(None)
    listener = started(listen, script, queue_s=0.3)
    listener.until_finished()
    assert (listener.samples.size, listener.gaps) == (3 * RATE, [])
    assert listener.runner.stats().overflows_total == 0


def test_the_end_of_a_recording_is_told(listen: Listen) -> None:
    """A source that came to its end is offline, finished and not opened again, with its last samples delivered."""
    script = Script(48_000, clocked=False)
    script.play(1.0)
    script.steps.put(None)
    listener = started(listen, script)
    listener.until_finished()
    assert listener.samples.size == RATE
    stats = listener.runner.stats()
    assert (stats.state, stats.detail, script.opened) == (SourceState.OFFLINE, "end of file", 1)


@pytest.mark.parametrize("clocked", [True, False])
@pytest.mark.parametrize("step_s", [86_400.0 * 9000, -3600.0])
def test_a_source_follows_a_clock_that_is_set(
    listen: Listen, monkeypatch: pytest.MonkeyPatch, clocked: bool, step_s: float
) -> None:
    """What is heard after that has the new time, also of a recording, which was opened at the old one."""
    script, right_s, offset_s = Script(clocked=clocked), time.time, 0.0
    monkeypatch.setattr(time, "time", lambda: right_s() + offset_s)
    listener = started(listen, script)
    script.play()
    listener.until_heard(0.1)
    offset_s = step_s
    for _ in range(30):  # a live source believes a late read only after two seconds
        script.play()
    listener.until(lambda: listener.runner.stats().samples_total >= 3 * RATE)
    assert abs(listener.runner.timeline.utc(0).timestamp() - time.time()) < 20


def test_a_recording_damaged_on_the_way_is_not_played_again(listen: Listen, script: Script) -> None:
    """Its beginning was heard; hearing that for ever would make events of nothing."""
    script.play()
    script.steps.put(BrokenAudio("damaged beyond 0.1 s"))
    listener = started(listen, script)
    listener.until_finished()
    assert (listener.runner.stats().detail, script.opened) == ("damaged beyond 0.1 s", 1)


def test_an_open_source_without_sound_goes_offline(listen: Listen) -> None:
    """Silence on the line is not digital silence; when sound returns the index has moved by the time."""
    script = Script(stall_s=0.2)
    listener = started(listen, script)
    script.play()
    listener.until_state(SourceState.ONLINE)
    listener.until_state(SourceState.OFFLINE)
    assert "no sound came for 0.2 s" in listener.runner.stats().detail
    script.play()
    listener.until_state(SourceState.ONLINE)
    listener.until(lambda: listener.samples.size == 0.2 * RATE)
    assert len(listener.gaps) == 1
    assert script.opened == 1


def test_silence_and_clipping_are_states(listen: Listen, script: Script) -> None:
    """What the meter finds is what the source is said to be."""
    listener = started(listen, script)
    for _ in range(11):
        script.steps.put(Chunk(np.zeros(RATE, np.float32)))
    listener.until_state(SourceState.SILENT)
    listener.until(lambda: listener.runner.stats().silent_s == 11)
    script.steps.put(Chunk(np.ones(2 * RATE, np.float32) * np.tile([1, -1], RATE).astype(np.float32)))
    listener.until_state(SourceState.CLIPPING)
    assert listener.runner.stats().clipped_s_total == pytest.approx(2)


def test_disabled_is_closed_and_enabled_goes_on(listen: Listen, script: Script) -> None:
    """Switching a source off closes it, switching it on opens it behind a gap."""
    listener = started(listen, script)
    script.play()
    listener.until_state(SourceState.ONLINE)
    listener.runner.set_enabled(False)
    listener.until_state(SourceState.DISABLED)
    listener.until(lambda: script.closed == 1)
    listener.runner.set_enabled(True)
    script.play()
    listener.until(lambda: listener.samples.size == 0.2 * RATE)
    assert len(listener.gaps) == 1


def test_a_source_may_begin_disabled(listen: Listen, script: Script) -> None:
    """Nothing is opened before it is wanted."""
    listener = Listener("mic", opener=lambda spec, rate_hz: script)
    listener.runner.set_enabled(False)
    listener.runner.start()
    listener.until_state(SourceState.DISABLED)
    assert script.opened == 0
    listener.runner.stop()


@pytest.mark.parametrize("queue_s", [0.1, 10.0])
def test_stop_is_quick_and_closes(listen: Listen, queue_s: float) -> None:
    """Reading, or waiting for room in the queue: the thread ends soon, and lets go of the source."""
    script = Script(live=False)
    listener = started(listen, script, queue_s=queue_s)
    for _ in range(5):
        script.play()
    listener.until_state(SourceState.ONLINE)
    begun = time.monotonic()
    listener.runner.stop()
    assert time.monotonic() - begun < 2
    assert script.closed == 1


def test_a_stream_that_ended_is_left_alone_for_a_while(
    listen: Listen, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a clean end the longest wait comes first, so a recording on a server is not fetched at once; then again."""
    monkeypatch.setattr(runner_module, "_MAX_WAIT_S", 0.4)
    listener = started(listen, script)
    script.play()
    script.steps.put(StreamEnded("end of stream"))
    listener.until(lambda: listener.runner.stats().detail == "end of stream")
    assert listener.runner.stats().state is SourceState.OFFLINE
    assert not listener.runner.stats().finished
    assert listener.until(lambda: script.opened > 1) > 0.35
    script.play()
    listener.until_state(SourceState.ONLINE)
