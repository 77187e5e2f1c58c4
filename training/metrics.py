"""Figures of detectors: average precision, precision and recall, false alarms an hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def average_precision(truth: NDArray[np.bool_], scores: Floats, weights: Floats | None = None) -> float:
    """Return the area under the precision-recall steps, NaN without a positive.

    `truth` and `scores` have the shape (n,); equal scores count as one step. `weights` count a sample more or less.
    """
    weights = np.ones(len(truth)) if weights is None else weights
    order = np.argsort(-scores, kind="stable")
    truth, scores, weights = truth[order], scores[order], weights[order]
    hits, drawn = np.cumsum(weights * truth), np.cumsum(weights)
    if not len(hits) or hits[-1] == 0:
        return float("nan")
    step = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    recall = hits[step] / hits[-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * hits[step] / drawn[step]))


def recording_weights(groups: Sequence[str]) -> Floats:
    """Return weights, shape (n,), that make every recording count the same, however many clips it gave."""
    _, inverse, counts = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    return np.asarray(1.0 / counts[inverse], np.float64)


def precision_recall_f1(truth: NDArray[np.bool_], alarm: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Return precision, recall and F1 of decisions; 0 where there is nothing to divide by."""
    hits = float(np.sum(truth & alarm))
    precision = hits / alarm.sum() if alarm.any() else 0.0
    recall = hits / truth.sum() if truth.any() else 0.0
    return float(precision), float(recall), 2 * hits / max(1.0, float(truth.sum() + alarm.sum()))


def false_positive_rate_at(truth: NDArray[np.bool_], scores: Floats, recall: float) -> float:
    """Return the share of negatives above the threshold that keeps `recall` of the positives; NaN without either."""
    if truth.all() or not truth.any():
        return float("nan")
    positives = np.sort(scores[truth])[::-1]
    threshold = positives[int(np.ceil(recall * len(positives))) - 1]
    return float(np.mean(scores[~truth] >= threshold))


def alarms_per_hour(alarm: NDArray[np.bool_], window_s: float, hold_windows: int) -> float:
    """Return how many alarms an hour decisions of shape (windows,) come to.

    Windows follow each other every `window_s`; alarms less than `hold_windows` windows apart are one.
    """
    raised = np.flatnonzero(alarm)
    events = int(np.sum(np.diff(raised, prepend=-hold_windows - 1) > hold_windows))
    return events / (len(alarm) * window_s / 3600.0) if len(alarm) else 0.0
