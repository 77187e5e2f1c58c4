"""Counts every figure, on one network's test part or on what all the folds of a division held out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from training.measure.backgrounds import RECALL, alarm_curve, background_of, highest_of
from training.measure.metrics import (
    accuracy,
    alarms_per_hour,
    average_precision,
    confusion_matrix,
    false_positive_rate_at,
    mean_of,
    precision_recall_f1,
    precision_recall_steps,
    recording_weights,
    reliability,
    roc_auc,
    threshold_at,
)
from training.measure.schema import FORMAT, Figures
from training.measure.trial import holding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from training.data.manifest import Clip
    from training.measure.held import Held
    from training.measure.scenes import SceneCount
    from training.measure.schema import Alarms, Bin, Confusion, CorpusFigures, FoldFigures, LabelFigures, Summary
    from training.measure.trial import Trial

    Floats = NDArray[np.float64]

_MOST_POINTS = 200
ENOUGH_H = 0.005
"""Hours of sound below which a rate an hour says nothing; tables show them as 0.00."""


def measure(
    held: Held, events: Sequence[str], title: str, method: str, scenes: Mapping[str, SceneCount] | None = None
) -> Figures:
    """Count all figures of the labels; `events` are those that matter most, `scenes` what `play_scenes` found.

    Scores are pooled over the trials: each clip is scored by the network that did not hear it.
    """
    scenes = scenes or {}
    figures = {label: _label(held, column, label, scenes.get(label)) for column, label in enumerate(held.labels)}
    return Figures(
        format=FORMAT,
        title=title,
        method=method,
        events=list(events),
        summary=_summary(held, figures),
        labels=figures,
        confusion=_confusion(held),
        folds=[_fold(held, trial) for trial in held.trials],
    )


def _label(held: Held, column: int, label: str, scenes: SceneCount | None) -> LabelFigures:
    truth, scores = holding(held.clips, label), held.scores[:, column]
    weights = recording_weights([clip.group for clip in held.clips])
    mine = [clip for clip, holds in zip(held.clips, truth, strict=True) if holds]
    highest = np.array([chance[:, column].max() for chance in held.chances])
    precision, recall, f1 = precision_recall_f1(truth, highest >= held.on[:, column])
    ambience, alarms = _at_threshold(held, column, label)
    bins = _reliability(held, column)
    return {
        "clips": len(mine),
        "recordings": len({clip.group for clip in mine}),
        "corpora": len({clip.corpus for clip in mine}),
        "average_precision": rounded(average_precision(truth, scores)),
        "average_precision_by_recording": rounded(average_precision(truth, scores, weights)),
        "roc_auc": rounded(roc_auc(truth, scores)),
        "false_positive_rate_at_recall_90": rounded(false_positive_rate_at(truth, scores, RECALL)),
        "precision": rounded(precision if mine else np.nan),
        "recall": rounded(recall if mine else np.nan),
        "f1": rounded(f1 if mine else np.nan),
        "expected_calibration_error": rounded(bins[0]),
        "false_alarms_per_hour": _rate(alarms, ambience),
        "ambience_hours": round(ambience, 4),
        "alarms": _alarms(held, column, label),
        "event_f1": rounded(scenes.events.f1 if scenes else np.nan),
        "event_onset_f1": rounded(scenes.onsets.f1 if scenes else np.nan),
        "recall_by_snr": _by_snr(scenes),
        "scenes": len(scenes.found[None]) if scenes else 0,
        "precision_recall": _steps(truth, scores),
        "reliability": bins[1],
        "by_corpus": _by_corpus(held, truth, scores),
    }


def _at_threshold(held: Held, column: int, label: str) -> tuple[float, float]:
    """Return the hours of held-out ambience without a label, and the false alarms an hour at each trial's `on`."""
    free = [
        chance[:, column] >= on
        for clip, chance, on in zip(held.clips, held.chances, held.on[:, column], strict=True)
        if clip.label in held.background and label not in clip.labels
    ]
    hours = sum(map(len, free)) * held.step_s / 3600.0
    return hours, alarms_per_hour(free, held.step_s, round(1.0 / held.step_s))


def _alarms(held: Held, column: int, label: str) -> Alarms:
    rest = (held.trials, column, label, held.background, held.step_s)
    background, certain = background_of(*rest), background_of(*rest, sure=True)
    positives = highest_of(held.trials, column, label)
    curve = alarm_curve(positives, background)
    threshold = threshold_at(positives, RECALL) if len(positives) else np.nan
    return {
        "hours": round(background.hours, 4),
        "corpora": background.corpora,
        "threshold": rounded(threshold),
        "per_hour": _rate(dict(curve).get(RECALL, np.nan), background.hours),
        "sure_hours": round(certain.hours, 4),
        "sure_per_hour": _rate(certain.alarms_per_hour(threshold) if len(positives) else np.nan, certain.hours),
        "curve": [(recall, round(rate, 3)) for recall, rate in curve] if background.hours >= ENOUGH_H else [],
    }


def _reliability(held: Held, column: int) -> tuple[float, list[Bin]]:
    """Return the calibration error of a label and its bars: every clip counts the same, true decisions the prior."""
    truth = np.concatenate([part[:, column] for trial in held.trials for part in trial.truths])
    chances = np.concatenate([part[:, column] for part in held.chances])
    weights = np.concatenate([np.full(len(part), 1.0 / len(part)) for part in held.chances])
    known = ~np.isnan(truth)
    holds, chances, weights = truth[known] > 0, chances[known], weights[known]
    if holds.all() or not holds.any():
        return float("nan"), []
    weights[holds] *= held.prior / weights[holds].sum()
    weights[~holds] *= (1.0 - held.prior) / weights[~holds].sum()
    counted = reliability(holds, chances, weights)
    rows = zip(counted.weight, counted.chance, counted.share, strict=True)
    bars: list[Bin] = [
        {"weight": round(float(w), 5), "chance": round(float(c), 4), "share": round(float(s), 4)}
        for w, c, s in rows
        if w
    ]
    return counted.error, bars


def _by_snr(scenes: SceneCount | None) -> dict[str, float | None]:
    if scenes is None or not scenes.found[None]:
        return {}
    return {"clean" if snr is None else f"{snr:g}": rounded(float(np.mean(hit))) for snr, hit in scenes.found.items()}


def _steps(truth: NDArray[np.bool_], scores: Floats) -> list[tuple[float, float]]:
    """Return the precision-recall steps, thinned to what a page can show."""
    recall, precision = precision_recall_steps(truth, scores)
    rises = np.flatnonzero(np.diff(recall, prepend=0.0) > 0)
    chosen = rises[np.unique(np.linspace(0, len(rises) - 1, min(len(rises), _MOST_POINTS)).astype(int))]
    return [(round(float(recall[at]), 4), round(float(precision[at]), 4)) for at in chosen]


def _by_corpus(held: Held, truth: NDArray[np.bool_], scores: Floats) -> dict[str, CorpusFigures]:
    corpus = np.array([clip.corpus for clip in held.clips])
    figures: dict[str, CorpusFigures] = {}
    for name in sorted(set(corpus[truth])):
        mine = truth & (corpus == name)
        against = mine | ~truth
        figures[str(name)] = {
            "clips": int(mine.sum()),
            "recordings": len({clip.group for clip, own in zip(held.clips, mine, strict=True) if own}),
            "average_precision": rounded(average_precision(mine[against], scores[against])),
        }
    return figures


def _single(
    clips: Sequence[Clip], scores: Floats, labels: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the true and the highest label of the clips of one label, as columns."""
    one = np.array([len(clip.labels) == 1 for clip in clips])
    truth = [labels.index(clip.label) for clip, single in zip(clips, one, strict=True) if single]
    return np.array(truth, np.int64), scores[one].argmax(axis=1)


def _confusion(held: Held) -> Confusion:
    truth, chosen = _single(held.clips, held.scores, held.labels)
    return {"labels": list(held.labels), "counts": confusion_matrix(truth, chosen, len(held.labels)).tolist()}


def _summary(held: Held, figures: Mapping[str, LabelFigures]) -> Summary:
    values = figures.values()
    return {
        "clips": len(held.clips),
        "recordings": len({clip.group for clip in held.clips}),
        "accuracy": rounded(accuracy(*_single(held.clips, held.scores, held.labels))),
        "mean_average_precision": rounded(mean_of(figure["average_precision"] for figure in values)),
        "macro_f1": rounded(mean_of(figure["f1"] for figure in values)),
        "roc_auc": rounded(mean_of(figure["roc_auc"] for figure in values)),
        "expected_calibration_error": rounded(mean_of(figure["expected_calibration_error"] for figure in values)),
    }


def _fold(held: Held, trial: Trial) -> FoldFigures:
    clips, scores = trial.scored.clips, trial.scored.pooled()
    precisions = {
        label: rounded(average_precision(holding(clips, label), scores[:, column]))
        for column, label in enumerate(held.labels)
    }
    new = {clip.corpus for clip, unseen in zip(clips, trial.unseen(), strict=True) if unseen}
    return {
        "name": trial.name,
        "clips": len(clips),
        "corpora": sorted(new),
        "accuracy": rounded(accuracy(*_single(clips, scores, held.labels))),
        "mean_average_precision": rounded(mean_of(precisions.values())),
        "average_precision": precisions,
    }


def _rate(per_hour: float, hours: float) -> float | None:
    """Return a rate of false alarms, None where it comes of less sound than would be shown as 0.00 h."""
    return rounded(per_hour if hours >= ENOUGH_H else np.nan)


def rounded(value: float) -> float | None:
    """Return a figure of four digits, None for NaN."""
    return None if np.isnan(value) else round(float(value), 4)
