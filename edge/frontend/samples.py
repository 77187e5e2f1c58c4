"""Limit of valid sample values, the same for every source.

Integer samples are scaled to ±1. A floating-point recording may contain any value, and one huge value or NaN would
spoil every average that includes it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIMIT = 1e3
"""60 dB above full scale, which no recorder reaches; larger values are damaged, or not scaled to ±1."""


def are_finite(values: NDArray[np.float32]) -> bool:
    """Return whether all values, of any shape, are finite.

    Values whose squares exceed the range of float32 count as infinite.
    """
    return math.isfinite(np.vdot(values, values))  # one call without a temporary array


def are_valid(samples: NDArray[np.float32]) -> bool:
    """Return whether all samples, of any shape, are within ±`LIMIT`; NaN is not."""
    if np.vdot(samples, samples) <= LIMIT * LIMIT:  # one call; nearly every block passes here
        return True
    # NaN makes both comparisons false.
    return bool(samples.min() >= -LIMIT and samples.max() <= LIMIT)


def silence_invalid(samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
    """Replace invalid samples by silence; return the samples and the number replaced."""
    if are_valid(samples):
        return samples, 0
    bad = ~(np.abs(samples) <= LIMIT)
    return np.where(bad, np.float32(0.0), samples), int(np.count_nonzero(bad))
