"""Figures of detectors: average precision, ROC AUC, F1, calibration error, confusion, false alarms an hour.

Arrays are of one label: `truth` is bool and `scores` are floats, both of shape (n,), a clip or a decision each;
`weights`, of the same shape, count a sample more or less.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

_SLACK = 1e-9
"""Keeps a share of a count, such as 0.9 of 10, from being rounded up."""


def precision_recall_steps(truth: Bools, scores: Floats, weights: Floats | None = None) -> tuple[Floats, Floats]:
    """Return recall and precision at every distinct score from the highest down; both are empty without a positive."""
    weights = np.ones(len(truth)) if weights is None else weights
    order = np.argsort(-scores, kind="stable")
    truth, scores, weights = truth[order], scores[order], weights[order]
    hits, drawn = np.cumsum(weights * truth), np.cumsum(weights)
    if not len(hits) or hits[-1] == 0:
        return np.empty(0), np.empty(0)
    step = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    return hits[step] / hits[-1], hits[step] / drawn[step]


def average_precision(truth: Bools, scores: Floats, weights: Floats | None = None) -> float:
    """Return the area under the precision-recall steps, NaN without a positive; equal scores count as one step."""
    recall, precision = precision_recall_steps(truth, scores, weights)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision)) if len(recall) else float("nan")


def roc_auc(truth: Bools, scores: Floats, weights: Floats | None = None) -> float:
    """Return the chance that a positive scores above a negative, ties counting half; NaN without either.

    This is the area under the ROC curve by the Mann-Whitney statistic (Hanley and McNeil 1982).
    """
    weights = np.ones(len(truth)) if weights is None else weights
    _, rank = np.unique(scores, return_inverse=True)
    positive, negative = np.bincount(rank, weights * truth), np.bincount(rank, weights * ~truth)
    pairs = positive.sum() * negative.sum()
    if not pairs:
        return float("nan")
    below = np.cumsum(negative) - negative
    return float(np.sum(positive * (below + negative / 2)) / pairs)


def weigh_recordings(groups: Sequence[str]) -> Floats:
    """Return weights, shape (n,), that make every recording count the same, however many clips it gave."""
    _, inverse, counts = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    return np.asarray(1.0 / counts[inverse], np.float64)


def precision_recall_f1(truth: Bools, alarm: Bools) -> tuple[float, float, float]:
    """Return precision, recall and F1 of decisions; 0 where there is nothing to divide by."""
    hits = float(np.sum(truth & alarm))
    precision = hits / alarm.sum() if alarm.any() else 0.0
    recall = hits / truth.sum() if truth.any() else 0.0
    return float(precision), float(recall), 2 * hits / max(1.0, float(truth.sum() + alarm.sum()))


def average_known(values: Iterable[float | None]) -> float:
    """Return the mean over the labels that have a figure: mAP of average precisions, macro-F1 of F1s; NaN of none."""
    known = [value for value in values if value is not None and not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def accuracy(truth: NDArray[np.int64], chosen: NDArray[np.int64]) -> float:
    """Return the share of clips whose highest label, `chosen`, is their own, both shape (clips,); NaN of none."""
    return float(np.mean(truth == chosen)) if len(truth) else float("nan")


def confusion_matrix(truth: NDArray[np.int64], chosen: NDArray[np.int64], n_labels: int) -> NDArray[np.int64]:
    """Return how many clips of each label (row) were taken for each label (column), shape (labels, labels)."""
    return np.bincount(truth * n_labels + chosen, minlength=n_labels**2).reshape(n_labels, n_labels)


@dataclasses.dataclass(frozen=True, slots=True)
class Reliability:
    """Probabilities in bins of equal width, beside how often they came true; all of shape (bins,)."""

    weight: Floats
    """Share of the samples in each bin."""
    chance: Floats
    """Their mean probability; NaN in an empty bin."""
    share: Floats
    """The share of them that is true; NaN in an empty bin."""

    @property
    def error(self) -> float:
        """The expected calibration error: the mean distance of chance and share, weighted; NaN without a sample."""
        filled = self.weight > 0
        gaps = np.abs(self.chance[filled] - self.share[filled])
        return float(np.sum(self.weight[filled] * gaps)) if filled.any() else float("nan")


def reliability(truth: Bools, chances: Floats, weights: Floats | None = None, bins: int = 15) -> Reliability:
    """Sort the probabilities of one label into bins (Guo et al. 2017, for a binary decision)."""
    weights = np.ones(len(truth)) if weights is None else weights
    place = np.minimum((chances * bins).astype(np.int64), bins - 1)
    weight, chance, true = (np.bincount(place, weights * of, bins) for of in (np.ones(len(truth)), chances, truth))
    filled = np.where(weight > 0, weight, np.nan)
    return Reliability(weight / max(float(weight.sum()), np.finfo(float).tiny), chance / filled, true / filled)


def find_threshold(scores: Floats, recall: float) -> float:
    """Return the highest threshold that keeps at least `recall` of the positives whose `scores` these are; one or more.

    Raises `ValueError` without a score.
    """
    if not len(scores):
        msg = "no threshold keeps a share of no positives"
        raise ValueError(msg)
    return float(np.sort(scores)[::-1][max(1, int(np.ceil(recall * len(scores) - _SLACK))) - 1])


def false_positive_rate(truth: Bools, scores: Floats, recall: float) -> float:
    """Return the share of negatives above the threshold that keeps `recall` of the positives; NaN without either."""
    if truth.all() or not truth.any():
        return float("nan")
    return float(np.mean(scores[~truth] >= find_threshold(scores[truth], recall)))


def alarms_per_hour(stretches: Sequence[Bools], window_s: float, hold_windows: int) -> float:
    """Return how many alarms an hour the decisions of some stretches of sound come to; NaN without a decision.

    The decisions of a stretch, shape (windows,), follow each other every `window_s`; alarms in it up to `hold_windows`
    windows apart are one.
    """
    events, windows = 0, 0
    for alarm in stretches:
        raised = np.flatnonzero(alarm)
        events += int(np.sum(np.diff(raised, prepend=-hold_windows - 1) > hold_windows))
        windows += len(alarm)
    return events / (windows * window_s / 3600.0) if windows else float("nan")
