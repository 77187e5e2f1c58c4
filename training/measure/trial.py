"""Calibrated scores of one network on its held-out clips."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

import numpy as np

from training.measure.scoring import ClipScores

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from training.data.manifest import Clip
    from training.measure.calibration import Calibration

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Trial:
    """Calibrated scores of one network on its held-out clips.

    Calibration makes the scores of several networks comparable.
    """

    name: str
    scored: ClipScores
    """Calibrated logits of every decision, see `calibrated`."""
    truths: list[Floats]
    """Truth of every decision (`calibration.label_windows`), shape (decisions, labels) for each clip."""
    thresholds: Mapping[str, Mapping[str, float]]
    """`on` and `off` of each label, chosen on the fold's own validation part."""
    corpora: Collection[str]
    """Corpora that the network was trained or calibrated on."""

    @functools.cached_property
    def chances(self) -> list[Floats]:
        """The probabilities of every decision, shape (decisions, labels) for each clip."""
        return [1.0 / (1.0 + np.exp(-logits.astype(np.float64))) for logits in self.scored.windows]

    def mark_unseen(self) -> list[bool]:
        """Return whether the corpus of each clip is new to the network."""
        return [clip.corpus not in self.corpora for clip in self.scored.clips]


def apply_calibration(scored: ClipScores, calibration: Calibration) -> ClipScores:
    """Return scores with the logits of the calibrated probabilities."""
    logits = [np.asarray(calibration.scale * part + calibration.bias, np.float32) for part in scored.windows]
    return ClipScores(scored.clips, logits)


def mark_label(clips: Sequence[Clip], label: str) -> Bools:
    """Return whether each clip holds a label, shape (clips,)."""
    return np.array([label in clip.labels for clip in clips], np.bool_)
