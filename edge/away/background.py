"""Background level of a place, estimated from its recent levels."""

from __future__ import annotations

import math

import numpy as np

_START_S = 2.0  # seconds of levels before there is a background
_FLOOR_DB = -80.0  # dB(A) re full scale: the self-noise of a microphone is below it


class Background:
    """Estimate of the background from one level per decision, in dB re full scale.

    The median of the remembered levels is quiet unless sounds fill half of them. Levels more than the margin above the
    median are left out, and the loudest of the others is the background. A single sound hardly changes it, and in a
    place with many sounds it lies higher above the median.
    """

    def __init__(self, seconds: float, per_s: float, margin_db: float) -> None:
        """Start empty; remember `seconds` of `per_s` levels a second."""
        self._levels = np.empty(max(1, round(seconds * per_s)))
        self._margin_db = margin_db
        self._start = min(round(_START_S * per_s), self._levels.size)
        self._count = 0

    def push(self, level_db: float) -> None:
        """Take the next level; ignore one that is not finite."""
        if not math.isfinite(level_db):
            return
        self._levels[self._count % self._levels.size] = level_db
        self._count += 1

    def level_db(self) -> float | None:
        """Return the level of the background, or None until there are enough levels."""
        if self._count < self._start:
            return None
        levels = self._levels[: self._count]
        quiet = levels[levels <= np.median(levels) + self._margin_db]
        return max(_FLOOR_DB, float(quiet.max()))

    def is_restless(self) -> bool:
        """Return whether the background lies more than half the margin above the median."""
        level_db = self.level_db()
        if level_db is None:
            return False
        return level_db - float(np.median(self._levels[: self._count])) > self._margin_db / 2
