"""When to try a lost source again: the one place of this policy."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_S = 0.5
"""Bound of the first wait."""
STEADY_S = 5.0
"""Seconds of sound after which a source counts as well again."""


class Backoff:
    """Waiting times that grow up to a cap, by default doubling, each drawn between 0 and that bound (full jitter).

    The jitter keeps many nodes from coming back at one moment when a server returns.
    """

    def __init__(
        self,
        cap_s: float,
        first_s: float = FIRST_S,
        draw: Callable[[float, float], float] = random.uniform,
        *,
        growth: float = 2.0,
    ) -> None:
        """Take the bounds and how much each is longer than the one before; `draw(low, high)` makes the jitter."""
        self._cap_s, self._first_s, self._draw, self._growth = cap_s, first_s, draw, growth
        self._tries = 0

    def next_s(self, left_s: float = math.inf) -> float:
        """Return the seconds to wait before the next try, which are less than `left_s`."""
        bound_s = min(self._cap_s, left_s, self._first_s * self._growth ** min(self._tries, 30))
        self._tries += 1
        return self._draw(0.0, bound_s)

    def reset(self) -> None:
        """Begin anew: the source has been well for a while."""
        self._tries = 0
