"""Resampling with soxr, the only way to the front end's rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import soxr

if TYPE_CHECKING:
    from numpy.typing import NDArray


class StreamResampler:
    """Resampler of mono blocks; any chunking gives the same samples."""

    def __init__(self, rate_in_hz: int, rate_out_hz: int) -> None:
        """Prepare the filter; with equal rates the samples pass unchanged."""
        self._stream = (
            None if rate_in_hz == rate_out_hz else soxr.ResampleStream(rate_in_hz, rate_out_hz, 1, dtype="float32")
        )

    def push(self, samples: NDArray[np.float32], *, last: bool = False) -> NDArray[np.float32]:
        """Resample a block; return the samples that are complete, shape (m,).

        `last` flushes the rest out of the filter.
        """
        if self._stream is None:
            return samples
        return np.asarray(self._stream.resample_chunk(np.ascontiguousarray(samples), last=last), np.float32)
