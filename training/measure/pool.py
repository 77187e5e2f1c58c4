"""Held-out clips of several trials with their scores, concatenated."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from edge.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from training.data.manifest import Clip
    from training.measure.trial import Trial

    Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True)
class PooledTrials:
    """The held-out clips of some trials, concatenated."""

    labels: tuple[str, ...]
    trials: Sequence[Trial]
    background: tuple[str, ...]
    """Classes on which false alarms are counted."""
    step_s: float
    """Time between two decisions."""
    prior: float
    """Share of decisions with a label that the calibration assumes."""
    clips: list[Clip]
    chances: list[Floats]
    """The probabilities of every decision, shape (decisions, labels) for each clip."""
    scores: Floats
    """One score per clip, shape (clips, labels)."""
    on: Floats
    """Each clip's threshold in its own trial, shape (clips, labels)."""


def pool_trials(
    trials: Iterable[Trial], labels: Sequence[str], background: Iterable[str], step_s: float, prior: float
) -> PooledTrials:
    """Pool the held-out clips of trials; raise `DataError` without any."""
    full = [trial for trial in trials if trial.scored.clips]
    if not full:
        msg = "no clip was held out, so there is nothing to measure on"
        raise DataError(msg)
    on = [[[trial.thresholds[label]["on"] for label in labels]] * len(trial.scored.clips) for trial in full]
    return PooledTrials(
        labels=tuple(labels),
        trials=full,
        background=tuple(background),
        step_s=step_s,
        prior=prior,
        clips=[clip for trial in full for clip in trial.scored.clips],
        chances=[chance for trial in full for chance in trial.chances],
        scores=np.concatenate([trial.scored.pool() for trial in full]),
        on=np.concatenate(on),
    )
