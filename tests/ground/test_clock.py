"""The wall clock: when it was set, and when it may be believed."""

from __future__ import annotations

import pytest

from edge.clock import ClockSteps, ClockTrust

DAY_S = 86_400.0
NOON_S = 1_777_636_800.0


class Clocks:
    """A wall clock that can be set, beside one that cannot."""

    def __init__(self) -> None:
        self.steady_s, self.offset_s = 500.0, NOON_S - 500.0

    def steady(self) -> float:
        return self.steady_s

    def wall(self) -> float:
        return self.steady_s + self.offset_s

    def trust(self, newest_s: float | None) -> ClockTrust:
        return ClockTrust(newest_s, wall=self.wall, steady=self.steady)


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


def test_a_step_is_told_once(clocks: Clocks) -> None:
    """Time that passes is none, and neither is what a clock is disciplined by."""
    steps = ClockSteps(clocks.wall, clocks.steady)
    clocks.steady_s += 99.0
    assert steps.take() == 0.0
    clocks.offset_s += 0.1
    assert steps.take() == 0.0
    clocks.offset_s -= 3600.0
    assert steps.take() == pytest.approx(-3600.0 + 0.1)
    assert steps.take() == 0.0


def test_a_clock_that_is_kept_and_near_the_history_is_believed(clocks: Clocks) -> None:
    """At once, and on; without an NTP client never."""
    trust = clocks.trust(NOON_S - 3 * DAY_S)
    assert not trust.check(clocks.wall(), synced=False)
    assert trust.check(clocks.wall(), synced=True)
    clocks.steady_s += 30 * DAY_S
    assert trust.check(clocks.wall(), synced=True)
    assert not trust.check(clocks.wall(), synced=False)


@pytest.mark.parametrize("days", [8, 91, 400])
def test_a_clock_far_ahead_of_the_history_is_believed_after_a_day(clocks: Clocks, days: int) -> None:
    """Right or wrong at the start: a node may have been off for long."""
    trust = clocks.trust(NOON_S - days * DAY_S)
    for _ in range(23):
        assert not trust.check(clocks.wall(), synced=True)
        clocks.steady_s += DAY_S / 24
    clocks.steady_s += DAY_S / 24
    assert trust.check(clocks.wall(), synced=True)


@pytest.mark.parametrize("newest_s", [None, NOON_S - DAY_S])
def test_a_clock_that_is_put_ahead_for_a_while_is_not_believed(clocks: Clocks, newest_s: float | None) -> None:
    """Not though its NTP client says that it is right; when it is put back it is believed again."""
    trust = clocks.trust(newest_s)
    assert trust.check(clocks.wall(), synced=True)
    clocks.offset_s += 200 * DAY_S
    clocks.steady_s += 60.0
    assert not trust.check(clocks.wall(), synced=True)
    clocks.steady_s += 3600.0
    assert not trust.check(clocks.wall(), synced=True)
    clocks.offset_s -= 200 * DAY_S
    assert trust.check(clocks.wall(), synced=True)


def test_a_box_without_a_battery_learns_the_time(clocks: Clocks) -> None:
    """From 1970 to now is a step like another: near the history it is believed, far from it not."""
    for newest_s, believed in ((NOON_S - DAY_S, True), (NOON_S - 91 * DAY_S, False)):
        clocks.offset_s = 0.0
        trust = clocks.trust(newest_s)
        assert not trust.check(clocks.wall(), synced=False)
        clocks.offset_s = NOON_S - clocks.steady_s
        assert trust.check(clocks.wall(), synced=True) is believed
