"""All figures of a test part, or of the held-out clips of all folds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from training.measure.backgrounds import RECALL, collect_background, collect_highest, compute_alarm_curve
from training.measure.metrics import (
    accuracy,
    alarms_per_hour,
    average_known,
    average_precision,
    confusion_matrix,
    false_positive_rate,
    find_threshold,
    precision_recall_f1,
    precision_recall_steps,
    reliability,
    roc_auc,
    weigh_recordings,
)
from training.measure.schema import FORMAT, Figures
from training.measure.trial import mark_label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from training.data.manifest import Clip
    from training.measure.pool import PooledTrials
    from training.measure.scenes import SceneCount
    from training.measure.schema import Alarms, Bin, Confusion, CorpusFigures, FoldFigures, LabelFigures, Summary
    from training.measure.trial import Trial

    Floats = NDArray[np.float64]

_MOST_POINTS = 200
ENOUGH_H = 0.005
"""Shortest sound in hours for a rate per hour; tables show less as 0.00."""


def count_figures(
    pooled: PooledTrials, events: Sequence[str], title: str, method: str, scenes: Mapping[str, SceneCount] | None = None
) -> Figures:
    """Count all figures of the labels.

    `events` are the most important labels, `scenes` the result of `score_scenes`. Scores are pooled over the trials:
    each clip is scored by the network that was not trained on it.
    """
    scenes = scenes or {}
    figures = {label: _label(pooled, column, label, scenes.get(label)) for column, label in enumerate(pooled.labels)}
    return Figures(
        format=FORMAT,
        title=title,
        method=method,
        events=list(events),
        summary=_summary(pooled, figures),
        labels=figures,
        confusion=_confusion(pooled),
        folds=[_fold(pooled, trial) for trial in pooled.trials],
    )


def _label(pooled: PooledTrials, column: int, label: str, scenes: SceneCount | None) -> LabelFigures:
    truth, scores = mark_label(pooled.clips, label), pooled.scores[:, column]
    weights = weigh_recordings([clip.group for clip in pooled.clips])
    mine = [clip for clip, holds in zip(pooled.clips, truth, strict=True) if holds]
    highest = np.array([chance[:, column].max() for chance in pooled.chances])
    precision, recall, f1 = precision_recall_f1(truth, highest >= pooled.on[:, column])
    ambience, alarms = _count_ambience_alarms(pooled, column, label)
    bins = _reliability(pooled, column)
    return {
        "clips": len(mine),
        "recordings": len({clip.group for clip in mine}),
        "corpora": len({clip.corpus for clip in mine}),
        "average_precision": round_figure(average_precision(truth, scores)),
        "average_precision_by_recording": round_figure(average_precision(truth, scores, weights)),
        "roc_auc": round_figure(roc_auc(truth, scores)),
        "false_positive_rate_at_recall_90": round_figure(false_positive_rate(truth, scores, RECALL)),
        "precision": round_figure(precision if mine else np.nan),
        "recall": round_figure(recall if mine else np.nan),
        "f1": round_figure(f1 if mine else np.nan),
        "expected_calibration_error": round_figure(bins[0]),
        "false_alarms_per_hour": _rate(alarms, ambience),
        "ambience_hours": round(ambience, 4),
        "alarms": _alarms(pooled, column, label),
        "event_f1": round_figure(scenes.events.f1 if scenes else np.nan),
        "event_onset_f1": round_figure(scenes.onsets.f1 if scenes else np.nan),
        "recall_by_snr": _by_snr(scenes),
        "scenes": len(scenes.found[None]) if scenes else 0,
        "precision_recall": _thin_steps(truth, scores),
        "reliability": bins[1],
        "by_corpus": _by_corpus(pooled, truth, scores),
    }


def _count_ambience_alarms(pooled: PooledTrials, column: int, label: str) -> tuple[float, float]:
    """Return the hours of held-out ambience without a label, and its alarms per hour.

    The threshold is each trial's `on`.
    """
    free = [
        chance[:, column] >= on
        for clip, chance, on in zip(pooled.clips, pooled.chances, pooled.on[:, column], strict=True)
        if clip.label in pooled.background and label not in clip.labels
    ]
    hours = sum(map(len, free)) * pooled.step_s / 3600.0
    return hours, alarms_per_hour(free, pooled.step_s, round(1.0 / pooled.step_s))


def _alarms(pooled: PooledTrials, column: int, label: str) -> Alarms:
    rest = (pooled.trials, column, label, pooled.background, pooled.step_s)
    background, certain = collect_background(*rest), collect_background(*rest, sure=True)
    positives = collect_highest(pooled.trials, column, label)
    curve = compute_alarm_curve(positives, background)
    threshold = find_threshold(positives, RECALL) if len(positives) else np.nan
    return {
        "hours": round(background.hours, 4),
        "corpora": background.corpora,
        "threshold": round_figure(threshold),
        "per_hour": _rate(dict(curve).get(RECALL, np.nan), background.hours),
        "sure_hours": round(certain.hours, 4),
        "sure_per_hour": _rate(certain.alarms_per_hour(threshold) if len(positives) else np.nan, certain.hours),
        "curve": [(recall, round(rate, 3)) for recall, rate in curve] if background.hours >= ENOUGH_H else [],
    }


def _reliability(pooled: PooledTrials, column: int) -> tuple[float, list[Bin]]:
    """Return the calibration error of a label and the bars of its diagram.

    Every clip counts the same, and true decisions are weighted to the prior.
    """
    truth = np.concatenate([part[:, column] for trial in pooled.trials for part in trial.truths])
    chances = np.concatenate([part[:, column] for part in pooled.chances])
    weights = np.concatenate([np.full(len(part), 1.0 / len(part)) for part in pooled.chances])
    known = ~np.isnan(truth)
    holds, chances, weights = truth[known] > 0, chances[known], weights[known]
    if holds.all() or not holds.any():
        return float("nan"), []
    weights[holds] *= pooled.prior / weights[holds].sum()
    weights[~holds] *= (1.0 - pooled.prior) / weights[~holds].sum()
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
    return {
        "clean" if snr is None else f"{snr:g}": round_figure(float(np.mean(hit))) for snr, hit in scenes.found.items()
    }


def _thin_steps(truth: NDArray[np.bool_], scores: Floats) -> list[tuple[float, float]]:
    """Return the precision-recall steps, thinned for a page."""
    recall, precision = precision_recall_steps(truth, scores)
    rises = np.flatnonzero(np.diff(recall, prepend=0.0) > 0)
    chosen = rises[np.unique(np.linspace(0, len(rises) - 1, min(len(rises), _MOST_POINTS)).astype(int))]
    return [(round(float(recall[at]), 4), round(float(precision[at]), 4)) for at in chosen]


def _by_corpus(pooled: PooledTrials, truth: NDArray[np.bool_], scores: Floats) -> dict[str, CorpusFigures]:
    corpus = np.array([clip.corpus for clip in pooled.clips])
    figures: dict[str, CorpusFigures] = {}
    for name in sorted(set(corpus[truth])):
        mine = truth & (corpus == name)
        against = mine | ~truth
        figures[str(name)] = {
            "clips": int(mine.sum()),
            "recordings": len({clip.group for clip, own in zip(pooled.clips, mine, strict=True) if own}),
            "average_precision": round_figure(average_precision(mine[against], scores[against])),
        }
    return figures


def _select_single_labels(
    clips: Sequence[Clip], scores: Floats, labels: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the true and the highest label of clips of one label, as columns."""
    one = np.array([len(clip.labels) == 1 for clip in clips])
    truth = [labels.index(clip.label) for clip, single in zip(clips, one, strict=True) if single]
    return np.array(truth, np.int64), scores[one].argmax(axis=1)


def _confusion(pooled: PooledTrials) -> Confusion:
    truth, chosen = _select_single_labels(pooled.clips, pooled.scores, pooled.labels)
    return {"labels": list(pooled.labels), "counts": confusion_matrix(truth, chosen, len(pooled.labels)).tolist()}


def _summary(pooled: PooledTrials, figures: Mapping[str, LabelFigures]) -> Summary:
    values = figures.values()
    return {
        "clips": len(pooled.clips),
        "recordings": len({clip.group for clip in pooled.clips}),
        "accuracy": round_figure(accuracy(*_select_single_labels(pooled.clips, pooled.scores, pooled.labels))),
        "mean_average_precision": round_figure(average_known(figure["average_precision"] for figure in values)),
        "macro_f1": round_figure(average_known(figure["f1"] for figure in values)),
        "roc_auc": round_figure(average_known(figure["roc_auc"] for figure in values)),
        "expected_calibration_error": round_figure(
            average_known(figure["expected_calibration_error"] for figure in values)
        ),
    }


def _fold(pooled: PooledTrials, trial: Trial) -> FoldFigures:
    clips, scores = trial.scored.clips, trial.scored.pool()
    precisions = {
        label: round_figure(average_precision(mark_label(clips, label), scores[:, column]))
        for column, label in enumerate(pooled.labels)
    }
    new = {clip.corpus for clip, unseen in zip(clips, trial.mark_unseen(), strict=True) if unseen}
    return {
        "name": trial.name,
        "clips": len(clips),
        "corpora": sorted(new),
        "accuracy": round_figure(accuracy(*_select_single_labels(clips, scores, pooled.labels))),
        "mean_average_precision": round_figure(average_known(precisions.values())),
        "average_precision": precisions,
    }


def _rate(per_hour: float, hours: float) -> float | None:
    """Return a rate of false alarms.

    It is None for less sound than would be shown as 0.00 h.
    """
    return round_figure(per_hour if hours >= ENOUGH_H else np.nan)


def round_figure(value: float) -> float | None:
    """Round a figure to four digits; None for NaN."""
    return None if np.isnan(value) else round(float(value), 4)
