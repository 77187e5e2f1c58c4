"""False alarms per hour on background, over recall.

The threshold is the score that keeps a share of the held-out clips of an event; an alarm is a group of background
decisions at or above it, more than a second from the next group. Only background from corpora that the network was
neither trained nor calibrated on counts.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from training.measure.metrics import alarms_per_hour, find_threshold
from training.measure.trial import mark_label

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from training.measure.trial import Trial

    Floats = NDArray[np.float64]

RECALL = 0.9
RECALLS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, RECALL, 0.95, 0.98)
"""Recalls at which the curve of false alarms is measured."""


@dataclasses.dataclass(frozen=True, slots=True)
class Background:
    """Decisions on one event where it does not sound."""

    chances: Sequence[Floats]
    """One array per clip, shape (decisions,)."""
    corpora: int
    step_s: float

    @property
    def hours(self) -> float:
        """Duration in hours."""
        return sum(map(len, self.chances)) * self.step_s / 3600.0

    def alarms_per_hour(self, threshold: float) -> float:
        """Return the false alarms at a threshold; NaN without background."""
        return alarms_per_hour([part >= threshold for part in self.chances], self.step_s, round(1.0 / self.step_s))


def collect_background(
    trials: Sequence[Trial], column: int, label: str, kinds: Collection[str], step_s: float, *, sure: bool = False
) -> Background:
    """Collect the background decisions of an event in the held-out clips.

    The clips have a label of `kinds`, do not hold `label`, and come from corpora unseen by the networks. With `sure`,
    decisions whose truth is unknown (NaN: a teacher detects the event in a clip without that label) are left out, and
    their time is not counted.
    """
    parts: list[Floats] = []
    corpora = set()
    for trial in trials:
        without = ~mark_label(trial.scored.clips, label)
        for clip, chance, truth, free, new in zip(
            trial.scored.clips, trial.chances, trial.truths, without, trial.mark_unseen(), strict=True
        ):
            if free and new and clip.label in kinds:
                parts.append(chance[~np.isnan(truth[:, column]), column] if sure else chance[:, column])
                corpora.add(clip.corpus)
    return Background(parts, len(corpora), step_s)


def collect_highest(trials: Sequence[Trial], column: int, label: str) -> Floats:
    """Return the highest probability of each held-out clip of a label, (clips,)."""
    return np.array(
        [
            chance[:, column].max()
            for trial in trials
            for chance, holds in zip(trial.chances, mark_label(trial.scored.clips, label), strict=True)
            if holds
        ]
    )


def compute_alarm_curve(positives: Floats, background: Background) -> list[tuple[float, float]]:
    """Return (recall, false alarms per hour) at `RECALLS`.

    The result is empty without a positive or without background.
    """
    if not len(positives) or not background.hours:
        return []
    return [(recall, background.alarms_per_hour(find_threshold(positives, recall))) for recall in RECALLS]
