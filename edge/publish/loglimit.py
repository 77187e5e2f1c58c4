"""A bound on how many lines strangers can put into the log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

LINES = 5
"""Lines of one kind in a period."""
PERIOD_S = 60.0


class LimitedLog:
    """Warnings, at most `LINES` of a kind in `PERIOD_S`; a kind is a format. How many were left out is said later.

    Used by one thread.
    """

    def __init__(self, log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        """Take where the lines go."""
        self._log, self._clock = log, clock
        self._periods: dict[str, tuple[float, int]] = {}  # when a kind's period began, and its lines so far

    def warning(self, text: str, *args: object) -> None:
        """Log a line, unless there were too many like it."""
        now_s = self._clock()
        begin_s, lines = self._periods.get(text, (now_s, 0))
        if now_s - begin_s >= PERIOD_S:
            if lines > LINES:
                self._log.warning("%d more lines like the next were left out", lines - LINES)
            begin_s, lines = now_s, 0
        self._periods[text] = (begin_s, lines + 1)
        if lines < LINES:
            self._log.warning(text, *args)
