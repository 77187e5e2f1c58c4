"""Filters defined by a curve over frequency, applied to a whole clip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Response = Callable[[NDArray[np.float32]], NDArray[np.floating] | NDArray[np.complexfloating]]

_RING_S = 0.25


def find_fast_length(n: int) -> int:
    """Return an FFT length of at least n that is fast.

    It is the least 2^a, 3 * 2^a or 5 * 2^a that is not below n.
    """
    bits = max(3, (n - 1).bit_length())
    return next(size for size in (5 << bits - 3, 3 << bits - 2, 1 << bits) if size >= n)


def filter_spectrum(samples: NDArray[np.float32], rate_hz: int, response: Response) -> NDArray[np.float32]:
    """Multiply the spectrum of a clip by `response`.

    `response` maps Hz, shape (bins,), to factors, which may be complex. A quarter of a second of silence follows the
    clip, so that ringing at its end does not appear at its start.
    """
    size = find_fast_length(samples.size + round(_RING_S * rate_hz))
    hz = np.linspace(0.0, rate_hz / 2.0, size // 2 + 1, dtype=np.float32)
    spectrum = np.fft.rfft(samples, size)
    return np.asarray(np.fft.irfft(spectrum * response(hz), size)[: samples.size], np.float32)


def from_db(level_db: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the amplitude factor of a level in decibels."""
    return np.asarray(np.exp(np.asarray(level_db, np.float32) * np.float32(np.log(10.0) / 20.0)), np.float32)
