"""False alarms are counted on corpora that the network does not know."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.support.trials import clip, trial
from training.measure.backgrounds import RECALLS, Background, collect_background, collect_highest, compute_alarm_curve

LABELS = ("siren", "wind")


def test_only_background_of_unseen_corpora_counts() -> None:
    """Of wind from a known corpus, wind with a siren in it, speech, and wind from afar, the last is left."""
    said = trial(
        LABELS,
        [
            (clip(0, "wind", "known"), [[0.1, 0.5]]),
            (clip(1, "wind", "new", others=["siren"]), [[0.2, 0.5]]),
            (clip(2, "speech", "new"), [[0.3, 0.5]]),
            (clip(3, "wind", "new"), [[0.4, 0.5], [0.6, 0.5]]),
        ],
        corpora=["known"],
    )
    background = collect_background([said], 0, "siren", {"wind"}, 900.0)
    assert np.concatenate(background.chances) == pytest.approx([0.4, 0.6])
    assert (background.corpora, background.hours) == (1, 0.5)


def test_unsure_decisions_are_left_out_on_request() -> None:
    """An alarm may be right where a teacher detects the event: that time can be left out."""
    said = trial(LABELS, [(clip(0, "wind"), [[0.9, 0.5], [0.1, 0.5]])])
    said = dataclasses.replace(said, truths=[np.array([[np.nan, 1.0], [0.0, 1.0]])])
    assert collect_background([said], 0, "siren", {"wind"}, 1.0).chances[0] == pytest.approx([0.9, 0.1])
    assert collect_background([said], 0, "siren", {"wind"}, 1.0, sure=True).chances[0] == pytest.approx([0.1])


def test_alarms_within_a_second_are_one() -> None:
    """Eight decisions a second: the ninth after an alarm is the first that raises another."""
    chances = np.zeros(8 * 3600)
    chances[[100, 108, 200, 209]] = 0.9
    assert Background([chances], 1, 1 / 8).alarms_per_hour(0.5) == pytest.approx(3.0)


def test_the_threshold_keeps_the_recall() -> None:
    """At 90 % recall the worst of ten clips is given up, and with it the alarm that it would cost."""
    said = trial(
        LABELS, [(clip(n, "siren"), [[0.01, 0.5], [p, 0.5]]) for n, p in enumerate([0.3, *np.linspace(0.6, 0.95, 9)])]
    )
    positives = collect_highest([said], 0, "siren")
    chances = np.zeros(8 * 3600)
    chances[[100, 500]] = 0.4, 0.7
    curve = dict(compute_alarm_curve(positives, Background([chances], 1, 1 / 8)))
    assert tuple(curve) == RECALLS
    assert (curve[0.5], curve[0.9], curve[0.98]) == pytest.approx((0.0, 1.0, 2.0))


def test_nothing_to_count_on_is_no_curve() -> None:
    """Without background or without the event there is no figure, not even zero."""
    nothing = Background([], 0, 1 / 8)
    assert compute_alarm_curve(np.ones(3), nothing) == []
    assert compute_alarm_curve(np.zeros(0), Background([np.ones(9)], 1, 1 / 8)) == []
    assert np.isnan(nothing.alarms_per_hour(0.5))
