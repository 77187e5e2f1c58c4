"""Synthetic clips and trials, for figures that can be computed by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from training.data.manifest import Clip
from training.measure.scoring import ClipScores
from training.measure.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Sequence

THRESHOLDS = {"on": 0.5, "off": 0.3}


def clip(index: int, label: str, corpus: str = "c", *, group: str = "", others: Sequence[str] = ()) -> Clip:
    """Return a clip of a second; without `group` each is a recording of its own."""
    name = f"{index}.wav"
    return Clip(index, name, label, corpus, group or f"g{index}", "", "", name, 1.0, others=tuple(others))


def trial(
    labels: Sequence[str],
    heard: Sequence[tuple[Clip, Sequence[Sequence[float]]]],
    *,
    corpora: Sequence[str] = (),
    name: str = "test",
) -> Trial:
    """Return the trial of a network trained on `corpora`: for each clip, rows of a probability per label."""
    chances = [np.array(rows, np.float64) for _, rows in heard]
    clips = [one for one, _ in heard]
    logits = [np.log(chance / (1.0 - chance)).astype(np.float32) for chance in chances]
    truths = [
        np.tile([float(label in one.labels) for label in labels], (len(chance), 1))
        for one, chance in zip(clips, chances, strict=True)
    ]
    return Trial(name, ClipScores(clips, logits), truths, dict.fromkeys(labels, THRESHOLDS), frozenset(corpora))
