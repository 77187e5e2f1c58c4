"""Which values can be sound: one bound for the samples of every source.

Integers become samples of ±1. A floating-point recording may hold anything, and one huge value or NaN would spread
through every average that it enters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIMIT = 1e3
"""60 dB above full scale, which no recorder reaches: what is beyond was damaged, or never was of full scale ±1."""


def are_sound(samples: NDArray[np.float32]) -> bool:
    """Return whether all samples, of any shape, are numbers within ±`LIMIT`."""
    # Two passes without a temporary array; NaN makes both comparisons false.
    return not samples.size or bool(samples.min() >= -LIMIT and samples.max() <= LIMIT)


def silenced(samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
    """Return samples with silence for those that cannot be sound, and how many those are."""
    if are_sound(samples):
        return samples, 0
    bad = ~(np.abs(samples) <= LIMIT)
    return np.where(bad, np.float32(0.0), samples), int(np.count_nonzero(bad))
