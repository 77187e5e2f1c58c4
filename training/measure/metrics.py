"""Metrics of detectors: precision, recall, ROC AUC, F1, calibration, false alarms.

Arrays are of one label: `truth` is bool and `scores` are floats, both of shape (n,), with an element per clip or
decision; `weights`, of the same shape, are the weights of the elements.
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
"""Tolerance that keeps a share of a count, such as 0.9 of 10, from being rounded up."""


def precision_recall_steps(truth: Bools, scores: Floats, weights: Floats | None = None) -> tuple[Floats, Floats]:
    """Return recall and precision at every distinct score, the highest first.

    Both are empty without a positive.
    """
    weights = np.ones(len(truth)) if weights is None else weights
    order = np.argsort(-scores, kind="stable")
    truth, scores, weights = truth[order], scores[order], weights[order]
    hits, drawn = np.cumsum(weights * truth), np.cumsum(weights)
    if not len(hits) or hits[-1] == 0:
        return np.empty(0), np.empty(0)
    step = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    return hits[step] / hits[-1], hits[step] / drawn[step]


def average_precision(truth: Bools, scores: Floats, weights: Floats | None = None) -> float:
    """Return the area under the precision-recall steps; NaN without a positive.

    Equal scores count as one step.
    """
    recall, precision = precision_recall_steps(truth, scores, weights)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision)) if len(recall) else float("nan")


def roc_auc(truth: Bools, scores: Floats, weights: Floats | None = None) -> float:
    """Return the chance that a positive scores above a negative.

    Ties count half; the result is NaN without a positive or a negative. This is the area under the ROC curve by the
    Mann-Whitney statistic (Hanley and McNeil 1982).
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
    """Return weights, shape (n,), that make every recording count the same."""
    _, inverse, counts = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    return np.asarray(1.0 / counts[inverse], np.float64)


def precision_recall_f1(truth: Bools, alarm: Bools) -> tuple[float, float, float]:
    """Return precision, recall and F1 of decisions; 0 for a division by 0."""
    hits = float(np.sum(truth & alarm))
    precision = hits / alarm.sum() if alarm.any() else 0.0
    recall = hits / truth.sum() if truth.any() else 0.0
    return float(precision), float(recall), 2 * hits / max(1.0, float(truth.sum() + alarm.sum()))


def average_known(values: Iterable[float | None]) -> float:
    """Return the mean of the known figures of labels; NaN without one.

    This is mAP for average precisions, macro-F1 for F1s.
    """
    known = [value for value in values if value is not None and not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def accuracy(truth: NDArray[np.int64], chosen: NDArray[np.int64]) -> float:
    """Return the share of clips whose highest label, `chosen`, is correct.

    Both arrays have the shape (clips,). The result is NaN without clips.
    """
    return float(np.mean(truth == chosen)) if len(truth) else float("nan")


def confusion_matrix(truth: NDArray[np.int64], chosen: NDArray[np.int64], n_labels: int) -> NDArray[np.int64]:
    """Return the number of clips by true label (row) and chosen label (column).

    The shape is (labels, labels).
    """
    return np.bincount(truth * n_labels + chosen, minlength=n_labels**2).reshape(n_labels, n_labels)


@dataclasses.dataclass(frozen=True, slots=True)
class Reliability:
    """Probabilities in bins of equal width with observed frequencies, all (bins,)."""

    weight: Floats
    """Share of the samples in each bin."""
    chance: Floats
    """Their mean probability; NaN in an empty bin."""
    share: Floats
    """Share of them that is true; NaN in an empty bin."""

    @property
    def error(self) -> float:
        """The expected calibration error; NaN without a sample.

        It is the weighted mean distance of chance and share.
        """
        filled = self.weight > 0
        gaps = np.abs(self.chance[filled] - self.share[filled])
        return float(np.sum(self.weight[filled] * gaps)) if filled.any() else float("nan")


def reliability(truth: Bools, chances: Floats, weights: Floats | None = None, bins: int = 15) -> Reliability:
    """Sort the probabilities of one label into bins (Guo et al. 2017, binary)."""
    weights = np.ones(len(truth)) if weights is None else weights
    place = np.minimum((chances * bins).astype(np.int64), bins - 1)
    weight, chance, true = (np.bincount(place, weights * of, bins) for of in (np.ones(len(truth)), chances, truth))
    filled = np.where(weight > 0, weight, np.nan)
    return Reliability(weight / max(float(weight.sum()), np.finfo(float).tiny), chance / filled, true / filled)


def find_threshold(scores: Floats, recall: float) -> float:
    """Return the highest threshold that keeps at least `recall` of positives.

    `scores` are those of the positives; at least one is kept. Raises `ValueError` without a score.
    """
    if not len(scores):
        msg = "no threshold keeps a share of no positives"
        raise ValueError(msg)
    return float(np.sort(scores)[::-1][max(1, int(np.ceil(recall * len(scores) - _SLACK))) - 1])


def false_positive_rate(truth: Bools, scores: Floats, recall: float) -> float:
    """Return the share of negatives at or above the threshold for a recall.

    It is NaN without a positive or a negative.
    """
    if truth.all() or not truth.any():
        return float("nan")
    return float(np.mean(scores[~truth] >= find_threshold(scores[truth], recall)))


def alarms_per_hour(stretches: Sequence[Bools], window_s: float, hold_windows: int) -> float:
    """Return the alarms per hour in stretches of sound; NaN without a decision.

    The decisions of a stretch, shape (windows,), follow each other every `window_s`; alarms in it up to `hold_windows`
    windows apart are one.
    """
    events, windows = 0, 0
    for alarm in stretches:
        raised = np.flatnonzero(alarm)
        events += int(np.sum(np.diff(raised, prepend=-hold_windows - 1) > hold_windows))
        windows += len(alarm)
    return events / (windows * window_s / 3600.0) if windows else float("nan")
