"""Input of the clap network: a third of a second around an onset, normalised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge.frontend.mel import log_mel
from edge.frontend.params import FrontEndParams

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLAP_FRONT_END = FrontEndParams(
    n_fft=256,
    hop_samples=128,
    n_mels=32,
    fmin_hz=150.0,
    log_floor=1e-7,
    offset=8.0,
    scale=0.25,
    window_frames=40,
    decision_frames=40,
)
"""Front end of the clap network: 8 ms between frames, to resolve a short attack; 328 ms in all."""
BEFORE_SAMPLES = 1024
"""Samples of a crop before the onset: 64 ms."""
_LEVEL_DB = -20.0  # level of the onset after normalisation


def crop_features(samples: NDArray[np.float32], level_db: float) -> NDArray[np.float32]:
    """Return the features, shape (window_frames, n_mels), of an onset.

    `samples`, shape (window_samples,), begin `BEFORE_SAMPLES` before the onset, and `level_db` is `Onset.level_db`.
    The crop is scaled by that level, so that the distance of a clap does not matter.
    """
    gain = np.float32(10.0 ** ((_LEVEL_DB - level_db) / 20.0))
    return log_mel(samples * gain, CLAP_FRONT_END)
