"""Times of sample indices: late reads, drifting sound cards, clocks that are set."""

from __future__ import annotations

from datetime import datetime, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.audio.timeline import Timeline

RATE = 16_000
EPOCH = 1_800_000_000.0
BLOCK = 800


def seconds(timeline: Timeline, index: int) -> float:
    """Return the time of an index relative to EPOCH."""
    return timeline.utc(index).timestamp() - EPOCH


def feed(timeline: Timeline, delays_s: list[float], begin: int = 0, speed: float = 1.0, step_s: float = 0.0) -> int:
    """Observe one block for each delay, from block `begin` on; return the last block number.

    The sound card is `speed` times as fast as its nominal rate.
    """
    for number, delay_s in enumerate(delays_s, begin + 1):
        timeline.observe(number * BLOCK, EPOCH + step_s + number * BLOCK / RATE / speed + delay_s)
    return begin + len(delays_s)


def test_nothing_is_known_before_the_first_observation() -> None:
    """Without an anchor, `utc` raises an error."""
    with pytest.raises(RuntimeError, match="no anchor"):
        Timeline(RATE).utc(0)


def test_times_follow_from_the_anchor_and_the_rate() -> None:
    """Times are UTC and advance by the rate."""
    timeline = Timeline(RATE)
    timeline.anchor(RATE, EPOCH)
    assert timeline.utc(3 * RATE) == datetime.fromtimestamp(EPOCH + 2, timezone.utc)


@given(st.lists(st.floats(0, 0.4), min_size=200, max_size=400))
def test_late_reads_do_not_shift_the_time(delays_s: list[float]) -> None:
    """With some prompt reads among late ones, the time is that of the prompt ones to 30 ms."""
    delays_s[::20] = [0.0] * len(delays_s[::20])
    timeline = Timeline(RATE)
    end = feed(timeline, delays_s)
    assert seconds(timeline, end * BLOCK) == pytest.approx(end * BLOCK / RATE, abs=0.03)


@given(st.lists(st.floats(0, 5), min_size=2, max_size=100), st.integers(0, RATE), st.integers(1, RATE))
def test_later_samples_are_later(delays_s: list[float], index: int, ahead: int) -> None:
    """A higher index always has a later time."""
    timeline = Timeline(RATE)
    feed(timeline, delays_s)
    assert timeline.utc(index + ahead) > timeline.utc(index)


@pytest.mark.parametrize("speed", [1.0002, 0.9998])
def test_a_drifting_sound_card_is_followed(speed: float) -> None:
    """After an hour at 200 ppm, a drift of 0.7 s, the time is right to 30 ms."""
    timeline = Timeline(RATE)
    rng = np.random.default_rng(1)
    end = feed(timeline, rng.uniform(0, 0.05, 72_000).tolist(), speed=speed)
    assert seconds(timeline, end * BLOCK) == pytest.approx(end * BLOCK / RATE / speed, abs=0.03)


@pytest.mark.parametrize("step_s", [3600.0, -3600.0, 1.5, -1.5])
def test_a_clock_that_is_set_is_adopted_soon(step_s: float) -> None:
    """Three seconds after the wall clock was set, times follow it."""
    timeline = Timeline(RATE)
    end = feed(timeline, [0.01] * 400)
    end = feed(timeline, [0.01] * 60, end, step_s=step_s)
    assert seconds(timeline, end * BLOCK) == pytest.approx(end * BLOCK / RATE + step_s, abs=0.05)


def test_one_very_late_read_does_not_shift_the_time() -> None:
    """A process that was suspended for 1.9 s catches up without a shift."""
    timeline = Timeline(RATE)
    end = feed(timeline, [0.0] * 400)
    stopped = 38
    late = [(stopped - number) * BLOCK / RATE for number in range(stopped)]
    end = feed(timeline, late, end)
    assert seconds(timeline, end * BLOCK) == pytest.approx(end * BLOCK / RATE, abs=0.01)
