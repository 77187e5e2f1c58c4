"""How a network does where nothing happens for hours: false alarms an hour at a recall.

The threshold is the score that keeps so many of the held-out clips of an event; an alarm is a group of background
decisions at or above it, more than a second from the next group. Only background from corpora that the network never
heard counts.
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
"""Where the curve of false alarms is measured."""


@dataclasses.dataclass(frozen=True, slots=True)
class Background:
    """Decisions on one event where it does not sound."""

    chances: Sequence[Floats]
    """Of each clip, shape (decisions,)."""
    corpora: int
    step_s: float

    @property
    def hours(self) -> float:
        """How long it lasts."""
        return sum(map(len, self.chances)) * self.step_s / 3600.0

    def alarms_per_hour(self, threshold: float) -> float:
        """Return the false alarms at a threshold; NaN without any background."""
        return alarms_per_hour([part >= threshold for part in self.chances], self.step_s, round(1.0 / self.step_s))


def collect_background(
    trials: Sequence[Trial], column: int, label: str, kinds: Collection[str], step_s: float, *, sure: bool = False
) -> Background:
    """Take the held-out clips whose label is of `kinds`, that do not hold `label`, from corpora the networks never saw.

    With `sure`, decisions whose truth is unknown (NaN: a teacher hears the event in a clip that is not labelled so) are
    left out, and their time is not counted.
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
    """Return the highest probability of every held-out clip that holds a label, shape (clips,)."""
    return np.array(
        [
            chance[:, column].max()
            for trial in trials
            for chance, holds in zip(trial.chances, mark_label(trial.scored.clips, label), strict=True)
            if holds
        ]
    )


def compute_alarm_curve(positives: Floats, background: Background) -> list[tuple[float, float]]:
    """Return (recall, false alarms an hour) at `RECALLS`; empty without a positive or without background."""
    if not len(positives) or not background.hours:
        return []
    return [(recall, background.alarms_per_hour(find_threshold(positives, recall))) for recall in RECALLS]
