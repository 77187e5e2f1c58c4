"""Steps of the wall clock, and trust in it."""

from __future__ import annotations

import pytest

from edge.clock import ClockSteps, ClockTrust

DAY_S = 86_400.0
NOON_S = 1_777_636_800.0


class Clocks:
    """A wall clock that tests can set, and a monotonic clock."""

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


def test_a_step_is_returned_once(clocks: Clocks) -> None:
    """Passing time and small corrections by clock discipline are not steps."""
    steps = ClockSteps(clocks.wall, clocks.steady)
    clocks.steady_s += 99.0
    assert steps.take() == 0.0
    clocks.offset_s += 0.1
    assert steps.take() == 0.0
    clocks.offset_s -= 3600.0
    assert steps.take() == pytest.approx(-3600.0 + 0.1)
    assert steps.take() == 0.0


def test_a_synchronised_clock_near_the_history_is_trusted(clocks: Clocks) -> None:
    """It is trusted at once and later on, but never without an NTP client."""
    trust = clocks.trust(NOON_S - 3 * DAY_S)
    assert not trust.check(clocks.wall(), synced=False)
    assert trust.check(clocks.wall(), synced=True)
    clocks.steady_s += 30 * DAY_S
    assert trust.check(clocks.wall(), synced=True)
    assert not trust.check(clocks.wall(), synced=False)


@pytest.mark.parametrize("days", [8, 91, 400])
def test_a_clock_far_ahead_of_the_history_is_trusted_after_a_day(clocks: Clocks, days: int) -> None:
    """A node may have been off for a long time."""
    trust = clocks.trust(NOON_S - days * DAY_S)
    for _ in range(23):
        assert not trust.check(clocks.wall(), synced=True)
        clocks.steady_s += DAY_S / 24
    clocks.steady_s += DAY_S / 24
    assert trust.check(clocks.wall(), synced=True)


@pytest.mark.parametrize("newest_s", [None, NOON_S - DAY_S])
def test_a_clock_that_is_set_ahead_for_a_while_is_not_trusted(clocks: Clocks, newest_s: float | None) -> None:
    """Its NTP client reports it as synchronised; set back, it is trusted again."""
    trust = clocks.trust(newest_s)
    assert trust.check(clocks.wall(), synced=True)
    clocks.offset_s += 200 * DAY_S
    clocks.steady_s += 60.0
    assert not trust.check(clocks.wall(), synced=True)
    clocks.steady_s += 3600.0
    assert not trust.check(clocks.wall(), synced=True)
    clocks.offset_s -= 200 * DAY_S
    assert trust.check(clocks.wall(), synced=True)


def test_a_device_without_a_clock_battery_gets_the_time(clocks: Clocks) -> None:
    """The step from 1970 to now ends near the history (trusted) or far from it (not trusted)."""
    for newest_s, trusted in ((NOON_S - DAY_S, True), (NOON_S - 91 * DAY_S, False)):
        clocks.offset_s = 0.0
        trust = clocks.trust(newest_s)
        assert not trust.check(clocks.wall(), synced=False)
        clocks.offset_s = NOON_S - clocks.steady_s
        assert trust.check(clocks.wall(), synced=True) is trusted
