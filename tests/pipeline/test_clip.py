"""One score a label for a whole clip."""

from __future__ import annotations

import numpy as np

from edge.pipeline.clip import _Totals
from training.measure.scoring import ClipScores


def scores(rows: np.ndarray, heard: list[int] | None = None) -> np.ndarray:
    """Return the scores of windows of these probabilities."""
    totals = _Totals(rows.shape[1])
    for row, much in zip(rows, heard or [96] * len(rows), strict=True):
        totals.add(row.astype(np.float32), much)
    return totals.compute_scores()


def test_one_window_is_its_own_score() -> None:
    """A clip as long as a window has that window's probabilities, certainty included."""
    row = np.array([[0.2, 0.9, 0.0, 1.0]])
    assert np.allclose(scores(row), row[0], atol=1e-6)


def test_a_clip_lies_between_its_average_and_its_highest_window() -> None:
    """One strong window in eight counts for more than an eighth, and less than everything."""
    rows = np.array([[0.95]] + [[0.05]] * 7)
    (score,) = scores(rows)
    assert rows.mean() < score < rows.max()
    assert np.allclose(scores(rows[::-1]), score)


def test_only_windows_that_heard_most_count() -> None:
    """Before the first window is full, a stream begins, which is not what the clip is about."""
    rows = np.array([[0.99], [0.2], [0.2]])
    assert np.allclose(scores(rows, [40, 96, 96]), 0.2)


def test_the_device_scores_a_clip_as_training_does() -> None:
    """Figures in a card are figures of `tocsin classify`."""
    logits = np.random.default_rng(1).normal(0, 3, (20, 5))
    trained = ClipScores([], [logits.astype(np.float32)]).pooled()[0]
    assert np.allclose(scores(1 / (1 + np.exp(-logits))), trained, atol=1e-5)
