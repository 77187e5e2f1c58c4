"""Confirmation of one onset as a clap: cheap physical checks first, then the clap network."""

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
_LATER = slice(_ONSET_FRAME + 7, _ONSET_FRAME + 10)  # from 56 ms after it
_LEAST_DECAY_DB = 3.0
_DULL_BAND = 2.5  # mean mel band of the peak: hardly any energy above 400 Hz


class ClapNetwork(Protocol):
    """A classifier that gives each crop its probability of being a clap."""

    def compute_probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities, shape (n, 1), of features of shape (n, window_frames, n_mels)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of judging one onset."""

    probability: float
    """The probability of a clap; 0 if the physical checks rule one out."""
    reason: str
    """The physical check that failed, in a few words; empty if all passed."""


def confirm(onset: Onset, samples: NDArray[np.float32], network: ClapNetwork) -> Verdict:
    """Judge an onset by the sound around it.

    `samples`, shape (window_samples,), begin `BEFORE_SAMPLES` before the onset. The network scores one crop at a time,
    so that a probability does not depend on the other crops of a batch.
    """
    features = crop_features(samples, onset.level_db)
    reason = check_physics(features)
    if reason:
        return Verdict(0.0, reason)
    return Verdict(float(network.compute_probabilities(features[np.newaxis])[0, 0]), "")


def check_physics(features: NDArray[np.float32]) -> str:
    """Return the reason that a crop cannot be a clap, or an empty text.

    `features` has the shape (window_frames, n_mels). A clap decays within 20 ms to the reverberation of the room; a
    voice, a bark or an engine goes on. A clap has energy at high frequencies.
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
