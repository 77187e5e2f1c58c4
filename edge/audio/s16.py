"""16-bit little-endian bytes to mono floats, for every source that delivers them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge.frontend.mel import float_from_int16
from edge.frontend.resample import to_mono

if TYPE_CHECKING:
    from numpy.typing import NDArray


def mono_from_s16(data: bytes | memoryview, channels: int, byte_order: str = "<") -> NDArray[np.float32]:
    """Return mono samples, shape (frames,), of interleaved 16-bit ones; what does not fill a frame is left out."""
    frames = len(data) // (2 * channels)
    samples = np.frombuffer(data, np.dtype(f"{byte_order}i2"), frames * channels)
    floats = float_from_int16(samples)
    return floats if channels == 1 else to_mono(floats.reshape(frames, channels))
