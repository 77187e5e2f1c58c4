"""Figures against slow versions written from their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.measure.metrics import (
    accuracy,
    alarms_per_hour,
    average_known,
    average_precision,
    confusion_matrix,
    false_positive_rate,
    find_threshold,
    precision_recall_f1,
    reliability,
    roc_auc,
    weigh_recordings,
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
    rate = false_positive_rate(truth, scores, recall)
    if truth.all() or not truth.any():
        assert np.isnan(rate)
        return
    enough = [s for s in scores if np.mean(scores[truth] >= s) >= recall - 1e-12]
    assert rate == pytest.approx(np.mean(scores[~truth] >= max(enough)))


def test_recordings_weigh_the_same() -> None:
    """The clips of a recording share a weight of one."""
    assert weigh_recordings(["a", "b", "a", "a"]) == pytest.approx([1 / 3, 1.0, 1 / 3, 1 / 3])


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
    assert alarms_per_hour([alarm], 1.0, 5) == pytest.approx(2.0)


def test_no_ambience_no_rate() -> None:
    """Without a window the rate of alarms is unknown, not 0."""
    assert np.isnan(alarms_per_hour([np.zeros(0, bool)], 1.0, 5))


def test_alarms_of_two_recordings_are_two() -> None:
    """One at the end of a clip and one at the start of the next do not belong together."""
    end, start = np.zeros(1800, bool), np.zeros(1800, bool)
    end[-1], start[0] = True, True
    assert alarms_per_hour([end, start], 1.0, 5) == pytest.approx(2.0)


@given(samples)
def test_auc_is_the_chance_that_a_positive_scores_higher(rows: list[tuple[bool, int, int]]) -> None:
    """Over all pairs of a positive and a negative, weighted, ties count half."""
    truth, scores, weights = (list(column) for column in zip(*rows, strict=True))
    positives = [(s, w) for t, s, w in zip(truth, scores, weights, strict=True) if t]
    negatives = [(s, w) for t, s, w in zip(truth, scores, weights, strict=True) if not t]
    fast = roc_auc(np.array(truth), np.array(scores, float), np.array(weights, float))
    pairs = [(v * w, 1.0 if s > n else 0.5 if s == n else 0.0) for s, v in positives for n, w in negatives]
    if pairs:
        assert fast == pytest.approx(sum(w * won for w, won in pairs) / sum(w for w, _ in pairs))
    else:
        assert np.isnan(fast)


def test_a_threshold_keeps_the_share_it_is_asked_for() -> None:
    """Nine of ten scores are kept for 90 %, not all ten for a rounding error; the highest one for next to nothing."""
    scores = np.arange(10.0)
    assert find_threshold(scores, 0.9) == 1.0
    assert find_threshold(scores, 1.0) == 0.0
    assert find_threshold(scores, 0.001) == 9.0
    with pytest.raises(ValueError, match="no positives"):
        find_threshold(np.empty(0), 0.9)


def test_accuracy_and_confusion() -> None:
    """Two of three are right; the third is a 2 with the highest score for 0."""
    truth, chosen = np.array([0, 1, 2]), np.array([0, 1, 0])
    assert accuracy(truth, chosen) == pytest.approx(2 / 3)
    assert confusion_matrix(truth, chosen, 3).tolist() == [[1, 0, 0], [0, 1, 0], [1, 0, 0]]
    assert np.isnan(accuracy(truth[:0], chosen[:0]))


def test_what_was_not_measured_is_not_in_the_mean() -> None:
    """None and NaN are left out, and no value has no mean."""
    assert average_known([0.5, None, float("nan"), 1.0]) == 0.75
    assert np.isnan(average_known([None]))


def test_calibration_error_is_the_weighted_gap() -> None:
    """Two bins: 0.05 where no sample is true, 0.95 where half is, with a third of the weight."""
    truth = np.array([False, False, True, False])
    counted = reliability(truth, np.array([0.05, 0.05, 0.95, 0.95]), np.array([2.0, 2.0, 1.0, 1.0]))
    assert counted.error == pytest.approx(2 / 3 * 0.05 + 1 / 3 * 0.45)
    assert np.isnan(counted.chance[7])


def test_probabilities_that_come_true_have_no_calibration_error() -> None:
    """Truth drawn by the probabilities themselves leaves a gap of sampling only, a certain 1 has its bin, too."""
    rng = np.random.default_rng(1)
    chances = np.append(rng.random(100_000), 1.0)
    assert reliability(rng.random(100_001) < chances, chances).error < 0.01


def test_no_sample_has_no_calibration_error() -> None:
    """Without a sample the error is NaN."""
    assert np.isnan(reliability(np.zeros(0, bool), np.zeros(0)).error)
