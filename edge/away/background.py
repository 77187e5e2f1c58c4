"""How loud it is when nothing happens, learnt from recent levels so that a sound itself hardly moves it."""

from __future__ import annotations

import math

import numpy as np

_START_S = 2.0  # from here on there is a background
_FLOOR_DB = -80.0  # dB(A) re full scale: below it is a microphone's own noise


class Background:
    """Learns from one level per decision, in dB re full scale.

    The median of what is remembered is quiet unless sounds fill half of it. What stands out of the median is left
    out, and the loudest of the rest is the background: in a restless place it lies higher above the median.
    """

    def __init__(self, seconds: float, per_s: float, margin_db: float) -> None:
        """Remember `seconds` of `per_s` levels a second; nothing is known yet."""
        self._levels = np.empty(max(1, round(seconds * per_s)))
        self._margin_db = margin_db
        self._start = min(round(_START_S * per_s), self._levels.size)
        self._count = 0

    def push(self, level_db: float) -> None:
        """Take the next level; what is no number is none."""
        if not math.isfinite(level_db):
            return
        self._levels[self._count % self._levels.size] = level_db
        self._count += 1

    def level_db(self) -> float | None:
        """Return the level of the background; None until enough was heard."""
        if self._count < self._start:
            return None
        levels = self._levels[: self._count]
        quiet = levels[levels <= np.median(levels) + self._margin_db]
        return max(_FLOOR_DB, float(quiet.max()))

    def is_restless(self) -> bool:
        """Return whether the background lies far above the median, so that a sound has to be louder to stand out."""
        level_db = self.level_db()
        if level_db is None:
            return False
        return level_db - float(np.median(self._levels[: self._count])) > self._margin_db / 2
