"""Crops with a whole range of probabilities, to compare forms of a clap network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge.claps.crop import BEFORE_SAMPLES, CLAP_FRONT_END
from edge.frontend.mel import log_mel
from training.sound.claps import make_clap

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CROPS = 64
_HISS_DB = (-60.0, 0.0)  # relative to the clap's peak


def make_graded_claps() -> NDArray[np.float32]:
    """Return crops of synthetic claps with increasing noise.

    The shape is (n, window_frames, n_mels). They are always the same.
    """
    rng, crops = np.random.default_rng(0), []
    for hiss_db in np.linspace(*_HISS_DB, _CROPS):
        samples = rng.standard_normal(CLAP_FRONT_END.window_samples).astype(np.float32) * np.float32(
            10 ** (hiss_db / 20)
        )
        clap = make_clap(rng)
        samples[BEFORE_SAMPLES : BEFORE_SAMPLES + clap.size] += clap
        crops.append(log_mel(samples * np.float32(0.5), CLAP_FRONT_END))
    return np.array(crops)
