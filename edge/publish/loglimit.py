"""Rate limit of log lines that other clients can cause."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

LINES = 5
"""Most lines of one kind in a period."""
PERIOD_S = 60.0


class LimitedLog:
    """A log of warnings, at most `LINES` of one kind in `PERIOD_S`.

    A kind is a format string. The number of lines left out is logged later. Used by one thread.
    """

    def __init__(self, log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the logger and the clock."""
        self._log, self._clock = log, clock
        self._periods: dict[str, tuple[float, int]] = {}  # by kind: the begin of its period, and its lines so far

    def warning(self, text: str, *args: object) -> None:
        """Log a line, unless the limit of its kind is reached."""
        now_s = self._clock()
        begin_s, lines = self._periods.get(text, (now_s, 0))
        if now_s - begin_s >= PERIOD_S:
            if lines > LINES:
                self._log.warning("%d more lines like the next were left out", lines - LINES)
            begin_s, lines = now_s, 0
        self._periods[text] = (begin_s, lines + 1)
        if lines < LINES:
            self._log.warning(text, *args)
