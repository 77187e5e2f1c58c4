"""Synthetic features: clicks in faint noise, and constant features."""

from __future__ import annotations

import numpy as np

from edge.frontend.mel import log_mel
from edge.frontend.params import FrontEndParams
from training.data.features import FeatureStore

PARAMS = FrontEndParams()


def clicks(at_s: list[float], length_s: float = 3.0) -> np.ndarray:
    """Return the features of clicks of 60 ms in faint noise."""
    rng = np.random.default_rng(1)
    wave = rng.normal(0, 0.001, int(length_s * PARAMS.sample_rate_hz))
    for second in at_s:
        begin = int(second * PARAMS.sample_rate_hz)
        wave[begin : begin + 960] += rng.normal(0, 0.3, 960)
    return log_mel(wave.astype(np.float32), PARAMS)


def make_store(features: list[np.ndarray]) -> FeatureStore:
    """Return a store of these clips' features."""
    offsets = np.cumsum([0] + [len(mel) for mel in features])
    return FeatureStore(np.concatenate(features).astype(np.float16), offsets, PARAMS)


def level(height: float, frames: int = 200) -> np.ndarray:
    """Return features that are the same throughout."""
    return np.full((frames, PARAMS.n_mels), height, np.float16)
