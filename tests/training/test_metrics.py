"""Figures against slow versions written from their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.metrics import (
    alarms_per_hour,
    average_precision,
    false_positive_rate_at,
    precision_recall_f1,
    recording_weights,
)

samples = st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(1, 4)), min_size=1, max_size=30)


def slow_average_precision(truth: list[bool], scores: list[float], weights: list[float]) -> float:
    """Sum precision over each rise of recall, threshold by threshold."""
    total, before, area = sum(w for t, w in zip(truth, weights, strict=True) if t), 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        drawn = [(t, w) for t, s, w in zip(truth, scores, weights, strict=True) if s >= threshold]
        hits = sum(w for t, w in drawn if t)
        area += (hits / total - before) * hits / sum(w for _, w in drawn)
        before = hits / total
    return area


@given(samples)
def test_average_precision_is_the_area_under_the_steps(rows: list[tuple[bool, int, int]]) -> None:
    """Ties and weights included, it equals the slow sum."""
    truth, scores, weights = (list(column) for column in zip(*rows, strict=True))
    fast = average_precision(np.array(truth), np.array(scores, float), np.array(weights, float))
    if any(truth):
        assert fast == pytest.approx(slow_average_precision(truth, scores, weights))
    else:
        assert np.isnan(fast)


@given(samples, st.floats(0.05, 1.0))
def test_false_positive_rate_is_that_of_the_highest_threshold_with_the_recall(
    rows: list[tuple[bool, int, int]], recall: float
) -> None:
    """Of all thresholds that find enough positives, the highest counts."""
    truth, scores = np.array([row[0] for row in rows]), np.array([row[1] for row in rows], float)
    rate = false_positive_rate_at(truth, scores, recall)
    if truth.all() or not truth.any():
        assert np.isnan(rate)
        return
    enough = [s for s in scores if np.mean(scores[truth] >= s) >= recall - 1e-12]
    assert rate == pytest.approx(np.mean(scores[~truth] >= max(enough)))


def test_recordings_weigh_the_same() -> None:
    """The clips of a recording share a weight of one."""
    assert recording_weights(["a", "b", "a", "a"]) == pytest.approx([1 / 3, 1.0, 1 / 3, 1 / 3])


def test_precision_recall_f1() -> None:
    """Two of three alarms are right, two of four events are found."""
    truth = np.array([True, True, True, True, False, False])
    alarm = np.array([True, True, False, False, True, False])
    assert precision_recall_f1(truth, alarm) == pytest.approx((2 / 3, 1 / 2, 4 / 7))


def test_nothing_found_is_zero_and_no_error() -> None:
    """Without an alarm and without an event all three are 0."""
    assert precision_recall_f1(np.zeros(3, bool), np.zeros(3, bool)) == (0.0, 0.0, 0.0)


def test_alarms_close_together_are_one() -> None:
    """Three alarms, two of them within the hold, in an hour."""
    alarm = np.zeros(3600, bool)
    alarm[[10, 14, 100]] = True
    assert alarms_per_hour(alarm, 1.0, 5) == pytest.approx(2.0)


def test_no_ambience_no_alarms() -> None:
    """Without a window there is no rate to divide out."""
    assert alarms_per_hour(np.zeros(0, bool), 1.0, 5) == 0.0
