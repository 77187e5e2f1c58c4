"""Whether an onset is a clap: cheap physics first, then the clap network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from edge.claps.crop import BEFORE_SAMPLES, CLAP_FRONT_END, crop_features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.claps.onsets import Onset

_ONSET_FRAME = BEFORE_SAMPLES // CLAP_FRONT_END.hop_samples
_PEAK = slice(_ONSET_FRAME - 2, _ONSET_FRAME + 4)
_LATER = slice(_ONSET_FRAME + 7, _ONSET_FRAME + 10)  # 60 ms after it
_LEAST_DECAY_DB = 3.0
_DULL_BAND = 2.5  # mean band of the peak: nothing above some 400 Hz


class ClapNetwork(Protocol):
    """Anything that gives crops their probability of being a clap."""

    def compute_probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities, shape (n, 1), of features of shape (n, window_frames, n_mels)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an onset was found to be."""

    probability: float
    """That it is a clap; 0 where physics rules it out."""
    why: str
    """What speaks against it, in a few words; empty where only the probability does."""


def confirm(onset: Onset, samples: NDArray[np.float32], network: ClapNetwork) -> Verdict:
    """Judge an onset by the sound around it: `samples`, shape (window_samples,), begin `BEFORE_SAMPLES` before it.

    One crop at a time, so that its probability does not depend on what else is judged.
    """
    features = crop_features(samples, onset.level_db)
    why = physics(features)
    if why:
        return Verdict(0.0, why)
    return Verdict(float(network.compute_probabilities(features[np.newaxis])[0, 0]), "")


def physics(features: NDArray[np.float32]) -> str:
    """Return why a crop, shape (window_frames, n_mels), can be no clap; empty where it can.

    A clap is over within 20 ms and leaves the room's tail; a voice, a bark or an engine goes on. It is also not dull.
    """
    power = np.exp(features / np.float32(CLAP_FRONT_END.scale) - np.float32(CLAP_FRONT_END.offset))
    levels_db = 10.0 * np.log10(power.sum(axis=1))
    decay_db = float(levels_db[_PEAK].max() - levels_db[_LATER].mean())
    if decay_db < _LEAST_DECAY_DB:
        return "goes on"
    bands = power[_PEAK].sum(axis=0)
    if float(bands @ np.arange(bands.size) / bands.sum()) < _DULL_BAND:
        return "dull"
    return ""
