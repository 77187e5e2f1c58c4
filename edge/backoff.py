"""Waiting times between retries: the only place of this policy."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_S = 0.5
"""Upper bound of the first wait."""
STEADY_S = 5.0
"""Seconds of sound after which a source counts as recovered."""


class Backoff:
    """Exponential backoff with full jitter, up to a cap.

    Each wait is random between 0 and a bound, which by default doubles. The jitter keeps many nodes from reconnecting
    at the same moment when a server returns.
    """

    def __init__(
        self,
        cap_s: float,
        first_s: float = FIRST_S,
        draw: Callable[[float, float], float] = random.uniform,
        *,
        growth: float = 2.0,
    ) -> None:
        """Take the cap, the first bound and its growth; `draw(low, high)` makes the jitter."""
        self._cap_s, self._first_s, self._draw, self._growth = cap_s, first_s, draw, growth
        self._tries = 0

    def next_s(self, left_s: float = math.inf) -> float:
        """Return the seconds to wait before the next try, at most `left_s`."""
        bound_s = min(self._cap_s, left_s, self._first_s * self._growth ** min(self._tries, 30))
        self._tries += 1
        return self._draw(0.0, bound_s)

    def reset(self) -> None:
        """Return to the first bound, after a success."""
        self._tries = 0
