"""Labelled set, to compare the accuracy of forms of a network."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from edge.errors import DataError
from export.bundle.golden import arrange_features
from training.measure.metrics import average_precision
from training.measure.scoring import ClipScores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from edge.frontend.params import FrontEndParams
    from training.data.features import FeatureStore
    from training.data.manifest import Clip

    Floats = NDArray[np.float32]
    Network = Callable[[Floats], Floats]
    """A form of a network: it maps the input of `arrange_features` to logits of shape (decisions, labels)."""


@dataclasses.dataclass(frozen=True, slots=True)
class LabelledSet:
    """Clips with their features, and the labels of a network."""

    clips: tuple[Clip, ...]
    store: FeatureStore
    labels: tuple[str, ...]

    def scores(self, network: Network, *, streaming: bool) -> NDArray[np.float64]:
        """Return one score per clip, shape (clips, labels), see `ClipScores.pool`.

        Decisions after a whole window count, or the last one of a shorter clip.
        """
        bar = tqdm(self.clips, desc="score", unit="clip", disable=None, leave=False)
        rows = [_score_clip(network, self.store.get(clip), self.store.params, streaming=streaming) for clip in bar]
        return ClipScores(list(self.clips), rows).pool()

    def mean_average_precision(self, scores: NDArray[np.float64]) -> float:
        """Return the mean average precision over the labels present in the set.

        Raises `DataError` when no clip has a label of the network.
        """
        truths = [np.array([label in clip.labels for clip in self.clips]) for label in self.labels]
        each = [average_precision(truth, scores[:, i]) for i, truth in enumerate(truths) if truth.any()]
        if not each:
            msg = "no clip of the labelled set carries a label of the network"
            raise DataError(msg)
        return float(np.mean(each))


def thin_clips(clips: Iterable[Clip], most: int) -> tuple[Clip, ...]:
    """Select up to `most` clips of each label, spread evenly over its clips.

    They are enough to compare two forms.
    """
    by_label: dict[str, list[Clip]] = {}
    for clip in clips:
        by_label.setdefault(clip.label, []).append(clip)
    spread = (np.unique(np.linspace(0, len(group) - 1, most).astype(int)) for group in by_label.values())
    return tuple(group[i] for group, chosen in zip(by_label.values(), spread, strict=True) for i in chosen)


def _score_clip(network: Network, mel: Floats, params: FrontEndParams, *, streaming: bool) -> Floats:
    logits = network(arrange_features(mel, params, streaming=streaming))
    return logits[-(-min(params.window_frames, len(mel)) // params.decision_frames) - 1 :] if streaming else logits
