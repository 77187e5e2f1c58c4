"""The wall clock: moments as RFC 3339 text, steps of the clock, and whether it may be believed."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_STEP_S = 1.0  # smaller differences are the clock being disciplined, or one that was read late
_SET_S = 60.0  # from here on a step makes what the clock says doubtful
_STEADY_S = 86_400.0  # a clock that was right for so long is right, whatever the history says
_QUIET_S = 7 * 86_400.0  # a history whose newest event is older than this speaks against the clock


def rfc3339(moment: datetime) -> str:
    """Return a moment with a time zone as UTC text with milliseconds, such as ``2026-01-31T12:00:00.250Z``."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_rfc3339(text: str) -> datetime:
    """Return the moment that `rfc3339` wrote; Python 3.10 does not read the Z."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def unix_s() -> float:
    """Return the time of the wall clock."""
    return time.time()


def running_s() -> float:
    """Return a time that nobody sets and that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class ClockSteps:
    """Tells by how much the wall clock was set."""

    def __init__(self, wall: Callable[[], float] = unix_s, steady: Callable[[], float] = running_s) -> None:
        """Begin now."""
        self._wall, self._steady = wall, steady
        self._offset_s = wall() - steady()

    def take(self) -> float:
        """Return by how many seconds the clock was set since the last call; 0 where it was not."""
        offset_s = self._wall() - self._steady()
        step_s = offset_s - self._offset_s
        if abs(step_s) < _STEP_S:
            return 0.0
        self._offset_s = offset_s
        return step_s


class ClockTrust:
    """Tells whether something may be destroyed because the clock says that it is old.

    The clock must be synchronised, and near the last time that is known to be right; or it must have been synchronised
    and left alone for a day.
    """

    def __init__(
        self,
        newest_s: float | None,
        *,
        wall: Callable[[], float] = unix_s,
        steady: Callable[[], float] = running_s,
    ) -> None:
        """Take when the newest event before this process began, in Unix seconds; None where there was none."""
        self._right_s = newest_s
        self._steady = steady
        self._steps = ClockSteps(wall, steady)
        self._since_s = steady()
        self._trusted = False

    def check(self, now_s: float, *, synced: bool) -> bool:
        """Return whether the clock, which says `now_s`, may be believed; to be called every minute or so."""
        running = self._steady()
        if not synced or abs(self._steps.take()) > _SET_S:
            self._trusted, self._since_s = False, running
        if synced and not self._trusted:
            near = self._right_s is None or now_s - self._right_s < _QUIET_S
            self._trusted = near or running - self._since_s >= _STEADY_S
        if self._trusted:
            self._right_s = now_s
        return self._trusted
