"""The honest figures of a network: calibrated on the validation part, counted on the test part."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from training.calibration import Calibration, calibrate, thresholds, window_truth
from training.data.fit import fit_to_labels
from training.metrics import (
    alarms_per_hour,
    average_precision,
    false_positive_rate_at,
    precision_recall_f1,
    recording_weights,
)
from training.scoring import ClipScores, score_clips

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from training.config import Config
    from training.data.features import FeatureStore
    from training.data.manifest import Clip
    from training.data.teacher import Teacher

    Floats = NDArray[np.float64]

PRIOR = 0.1
"""Share of windows that is taken to hold a sound: the prior of the calibrated scores."""
ALLOWED_SHORT, ALLOWED_LASTING = 0.001, 0.003
"""Share of windows without a sound that may reach its threshold `on`: one window decides on a short sound, while the
scores of a lasting one are smoothed first."""
BOUNDS = (0.4, 0.9)
"""Lowest and highest `on`."""


@dataclasses.dataclass(frozen=True, slots=True)
class Judge:
    """What figures are counted with."""

    labels: tuple[str, ...]
    store: FeatureStore
    teacher: Teacher | None
    config: Config

    @property
    def hop_frames(self) -> int:
        """Frames between the windows that are scored: the service's own grid."""
        return self.store.params.decision_frames

    def truths(self, clips: Sequence[Clip]) -> list[Floats]:
        """Return what is known of every window of some clips."""
        rest = (self.labels, self.store, self.teacher, self.config, self.hop_frames)
        return [window_truth(clip, *rest) for clip in clips]


@dataclasses.dataclass(frozen=True, slots=True)
class Evaluation:
    """A network's calibration, thresholds and figures."""

    calibration: Calibration
    thresholds: dict[str, Mapping[str, float]]
    figures: dict[str, dict[str, Any]]
    """For each label: counts, and what was measured on the test part; None where there was nothing to measure on."""


def evaluate(model: nn.Module, parts: Mapping[str, Sequence[Clip]], judge: Judge) -> Evaluation:
    """Calibrate on ``parts["validation"]``, then measure on ``parts["test"]``."""
    seen = score_clips(model, parts["validation"], judge.store, judge.hop_frames)
    truths = judge.truths(seen.clips)
    calibration = calibrate(seen, truths, PRIOR)
    scores = np.concatenate([calibration(logits) for logits in seen.windows])
    short = judge.config.data.impulsive
    allowed = [ALLOWED_SHORT if label in short else ALLOWED_LASTING for label in judge.labels]
    chosen = thresholds(judge.labels, scores, np.concatenate(truths), allowed, BOUNDS)
    unseen = score_clips(model, parts["test"], judge.store, judge.hop_frames)
    figures = {
        label: _figures(label, column, unseen, judge, calibration, chosen[label]["on"])
        for column, label in enumerate(judge.labels)
    }
    return Evaluation(calibration, chosen, figures)


def _figures(
    label: str, column: int, scored: ClipScores, judge: Judge, calibration: Calibration, on: float
) -> dict[str, Any]:
    mine = [clip for clip in scored.clips if label in clip.labels]
    truth = np.array([label in clip.labels for clip in scored.clips])
    pooled = scored.pooled()[:, column]
    weights = recording_weights([clip.group for clip in scored.clips])
    chances = [calibration(logits)[:, column] for logits in scored.windows]
    detected = np.array([bool((chance >= on).any()) for chance in chances])
    precision, recall, f1 = precision_recall_f1(truth, detected)
    background = fit_to_labels(judge.config.data, judge.labels).background
    ambience = [
        chance >= on
        for clip, chance in zip(scored.clips, chances, strict=True)
        if label not in clip.labels and clip.label in background
    ]
    step_s = judge.hop_frames / judge.store.params.frames_per_s
    alarms = np.concatenate(ambience) if ambience else np.zeros(0, np.bool_)
    return {
        "clips": len(mine),
        "recordings": len({clip.group for clip in mine}),
        "corpora": len({clip.corpus for clip in mine}),
        "average_precision": _rounded(average_precision(truth, pooled)),
        "average_precision_by_recording": _rounded(average_precision(truth, pooled, weights)),
        "false_positive_rate_at_recall_90": _rounded(false_positive_rate_at(truth, pooled, 0.9)),
        "precision": _rounded(precision),
        "recall": _rounded(recall),
        "f1": _rounded(f1),
        "false_alarms_per_hour": _rounded(alarms_per_hour(alarms, step_s, round(1.0 / step_s))),
        "ambience_hours": _rounded(len(alarms) * step_s / 3600.0),
    }


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)


def table(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the figures as a Markdown table, a line a label."""
    names = {
        "clips": "clips",
        "recordings": "recordings",
        "corpora": "corpora",
        "average_precision": "AP by clip",
        "average_precision_by_recording": "AP by recording",
        "false_positive_rate_at_recall_90": "FPR at 90 % recall",
        "precision": "precision",
        "recall": "recall",
        "f1": "F1",
        "false_alarms_per_hour": "false alarms/h",
    }
    rows = [f"| label | {' | '.join(names.values())} |", "| --- |" + " --- |" * len(names)]
    for label, values in figures.items():
        cells = ("-" if values[name] is None else str(values[name]) for name in names)
        rows.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(rows)
