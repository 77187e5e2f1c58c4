"""The only door to the front end's rate: soxr, for a clip or a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import soxr

if TYPE_CHECKING:
    from numpy.typing import NDArray


class StreamResampler:
    """Brings mono blocks from one rate to another; any chunking gives the same samples."""

    def __init__(self, rate_in_hz: int, rate_out_hz: int) -> None:
        """Prepare the filter; equal rates pass samples through untouched."""
        self._stream = (
            None if rate_in_hz == rate_out_hz else soxr.ResampleStream(rate_in_hz, rate_out_hz, 1, dtype="float32")
        )

    def push(self, samples: NDArray[np.float32], *, last: bool = False) -> NDArray[np.float32]:
        """Return the samples, shape (m,), that this block completes; `last` flushes the filter's tail."""
        if self._stream is None:
            return samples
        return np.asarray(self._stream.resample_chunk(np.ascontiguousarray(samples), last=last), np.float32)
