"""Which values can be sound: one bound for the samples of every source.

Integers become samples of ±1. A floating-point recording may hold anything, and one huge value or NaN would spread
through every average that it enters.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIMIT = 1e3
"""60 dB above full scale, which no recorder reaches: what is beyond was damaged, or never was of full scale ±1."""


def are_finite(values: NDArray[np.float32]) -> bool:
    """Return whether all values, of any shape, are finite; false also for values whose squares exceed float32."""
    return math.isfinite(np.vdot(values, values))  # one call without a temporary array


def are_sound(samples: NDArray[np.float32]) -> bool:
    """Return whether all samples, of any shape, are numbers within ±`LIMIT`."""
    if np.vdot(samples, samples) <= LIMIT * LIMIT:  # one call, which nearly every block of a quiet year passes
        return True
    # NaN makes both comparisons false.
    return bool(samples.min() >= -LIMIT and samples.max() <= LIMIT)


def silenced(samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
    """Return samples with silence for those that cannot be sound, and how many those are."""
    if are_sound(samples):
        return samples, 0
    bad = ~(np.abs(samples) <= LIMIT)
    return np.where(bad, np.float32(0.0), samples), int(np.count_nonzero(bad))
