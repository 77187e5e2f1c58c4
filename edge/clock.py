"""The wall clock: RFC 3339 text, steps of the clock, and trust in it."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_STEP_S = 1.0  # smaller differences come from clock discipline or a late reading
_SET_S = 60.0  # a larger step makes the clock doubtful
_STEADY_S = 86_400.0  # a clock that was synchronised for this long is trusted in spite of the history
_QUIET_S = 7 * 86_400.0  # a newest event older than this speaks against the clock


def format_rfc3339(moment: datetime) -> str:
    """Return a time as UTC text with milliseconds, such as ``2026-01-31T12:00:00.250Z``."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_rfc3339(text: str) -> datetime:
    """Return the time of an RFC 3339 text; Python 3.10 does not read the Z."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def unix_s() -> float:
    """Return the time of the wall clock in Unix seconds."""
    return time.time()


def running_s() -> float:
    """Return the seconds since boot, which include suspended time."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class ClockSteps:
    """Detector of steps of the wall clock."""

    def __init__(self, wall: Callable[[], float] = unix_s, steady: Callable[[], float] = running_s) -> None:
        """Start at the present time."""
        self._wall, self._steady = wall, steady
        self._offset_s = wall() - steady()

    def take(self) -> float:
        """Return the step of the clock since the last call, in seconds, or 0."""
        offset_s = self._wall() - self._steady()
        step_s = offset_s - self._offset_s
        if abs(step_s) < _STEP_S:
            return 0.0
        self._offset_s = offset_s
        return step_s


class ClockTrust:
    """Trust in the wall clock, which is needed before anything is deleted for its age.

    The clock is trusted if it is synchronised and near the last time known to be right, or if it was synchronised for a
    day without a step.
    """

    def __init__(
        self,
        newest_s: float | None,
        *,
        wall: Callable[[], float] = unix_s,
        steady: Callable[[], float] = running_s,
    ) -> None:
        """Take the time of the newest earlier event, if any, in Unix seconds."""
        self._right_s = newest_s
        self._steady = steady
        self._steps = ClockSteps(wall, steady)
        self._since_s = steady()
        self._trusted = False

    def check(self, now_s: float, *, synced: bool) -> bool:
        """Return whether the clock's time `now_s` is trusted; call this every minute or so."""
        running = self._steady()
        if not synced or abs(self._steps.take()) > _SET_S:
            self._trusted, self._since_s = False, running
        if synced and not self._trusted:
            near = self._right_s is None or now_s - self._right_s < _QUIET_S
            self._trusted = near or running - self._since_s >= _STEADY_S
        if self._trusted:
            self._right_s = now_s
        return self._trusted
