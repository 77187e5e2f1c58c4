"""Conversion of 16-bit samples to floats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge.frontend.mel import float_from_int16

if TYPE_CHECKING:
    from numpy.typing import NDArray


def floats_from_s16(data: bytes | memoryview, channels: int, byte_order: str = "<") -> NDArray[np.float32]:
    """Return interleaved 16-bit samples as floats, shape (frames,) or (frames, channels).

    An incomplete last frame is dropped.
    """
    frames = len(data) // (2 * channels)
    floats = float_from_int16(np.frombuffer(data, np.dtype(f"{byte_order}i2"), frames * channels))
    return floats if channels == 1 else floats.reshape(frames, channels)
