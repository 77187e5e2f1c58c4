"""Scores of the labels of a whole recording."""

from __future__ import annotations

import numpy as np

from edge.pipeline.clip import _Totals
from training.measure.scoring import ClipScores


def compute_scores(rows: np.ndarray, heard: list[int] | None = None) -> np.ndarray:
    """Return the scores from windows of these probabilities."""
    totals = _Totals(rows.shape[1])
    for row, samples in zip(rows, heard or [96] * len(rows), strict=True):
        totals.add(row.astype(np.float32), samples)
    return totals.compute_scores()


def test_one_window_is_its_own_score() -> None:
    """A recording as long as a window has that window's probabilities, including 0 and 1."""
    row = np.array([[0.2, 0.9, 0.0, 1.0]])
    assert np.allclose(compute_scores(row), row[0], atol=1e-6)


def test_a_score_is_between_the_average_and_the_highest_window() -> None:
    """One strong window in eight counts for more than an eighth, and less than everything."""
    rows = np.array([[0.95]] + [[0.05]] * 7)
    (score,) = compute_scores(rows)
    assert rows.mean() < score < rows.max()
    assert np.allclose(compute_scores(rows[::-1]), score)


def test_only_the_fullest_windows_count() -> None:
    """The first windows are not full."""
    rows = np.array([[0.99], [0.2], [0.2]])
    assert np.allclose(compute_scores(rows, [40, 96, 96]), 0.2)


def test_device_and_training_compute_the_same_score() -> None:
    """Figures of a model card also hold for `tocsin classify`."""
    logits = np.random.default_rng(1).normal(0, 3, (20, 5))
    trained = ClipScores([], [logits.astype(np.float32)]).pool()[0]
    assert np.allclose(compute_scores(1 / (1 + np.exp(-logits))), trained, atol=1e-5)
