"""Figures of a handful of clips, counted by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from edge.errors import DataError
from tests.support.trials import clip, trial
from training.measure.events import EventCount
from training.measure.figures import count_figures
from training.measure.pool import pool_trials
from training.measure.scenes import SceneCount
from training.measure.schema import Figures, load_figures, save_figures, summarize
from training.report.tables import format_figures

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LABELS = ("horn", "siren", "wind")


def figures(step_s: float = 1.0) -> Figures:
    """Return the figures of two folds: each held out a corpus, one siren scores as a horn, one wind as a siren."""
    first = trial(
        LABELS,
        [
            (clip(0, "siren", "a"), [[0.1, 0.9, 0.1]]),
            (clip(1, "siren", "a"), [[0.8, 0.6, 0.1], [0.1, 0.2, 0.1]]),
            (clip(2, "wind", "a"), [[0.1, 0.2, 0.9]] * 16),
        ],
        corpora=["b"],
        name="without a",
    )
    second = trial(
        LABELS,
        [
            (clip(3, "siren", "b", group="one"), [[0.1, 0.8, 0.2]]),
            (clip(4, "siren", "b", group="one"), [[0.1, 0.7, 0.2]]),
            (clip(5, "wind", "b"), [[0.1, 0.75, 0.3]] + [[0.1, 0.1, 0.3]] * 15),
        ],
        corpora=["a"],
        name="without b",
    )
    scenes = SceneCount({None: [True, True], 10.0: [True, False]}, EventCount(1, 2, 2), EventCount(2, 2, 2))
    held = pool_trials([first, second], LABELS, ["wind"], step_s, 0.1)
    return count_figures(held, ["siren", "horn"], "two folds", "Each corpus in turn.", {"siren": scenes})


def test_a_label_is_counted_over_all_folds() -> None:
    """Four sirens of three recordings; at 0.5 all are found, with one alarm in the wind."""
    siren = figures()["labels"]["siren"]
    assert (siren["clips"], siren["recordings"], siren["corpora"]) == (4, 3, 2)
    assert (siren["precision"], siren["recall"], siren["f1"]) == (0.8, 1.0, 0.8889)
    # the louder wind scores (0.75 + 0.140625) / 2, the least siren 0.5
    assert siren["average_precision"] == 1.0
    assert siren["average_precision_by_recording"] == 1.0
    assert siren["roc_auc"] == 1.0
    assert (siren["event_f1"], siren["event_onset_f1"], siren["scenes"]) == (0.5, 1.0, 2)
    assert siren["recall_by_snr"] == {"clean": 1.0, "10": 0.5}


def test_alarms_are_counted_on_corpora_unseen_by_the_fold() -> None:
    """Half a minute of wind of two corpora; nine of ten sirens score 0.6 and more, which the wind does once."""
    alarms = figures()["labels"]["siren"]["alarms"]
    assert (alarms["corpora"], alarms["threshold"]) == (2, 0.6)
    assert alarms["hours"] == alarms["sure_hours"] == 0.0089
    assert alarms["per_hour"] == alarms["sure_per_hour"] == 112.5
    assert dict(alarms["curve"])[0.5] == 0.0


def test_a_rate_over_too_little_time_is_none() -> None:
    """Four seconds of wind are shown as 0.00 h, too little for a rate per hour."""
    few = figures(1 / 8)
    for label in LABELS[:2]:
        values = few["labels"][label]
        assert (
            values["false_alarms_per_hour"] is values["alarms"]["per_hour"] is values["alarms"]["sure_per_hour"] is None
        )
        assert values["alarms"]["curve"] == []
    assert "| - | - | 0.00 |" in format_figures(few)
    assert "| 112.5 | 112.5 | 0.01 |" in format_figures(figures())


def test_each_corpus_stands_by_itself_against_all_others() -> None:
    """The sirens of each corpus are ranked against the wind of both."""
    by_corpus = figures()["labels"]["siren"]["by_corpus"]
    assert {name: (values["clips"], values["recordings"]) for name, values in by_corpus.items()} == {
        "a": (2, 2),
        "b": (2, 1),
    }


def test_a_label_without_held_out_clips_has_no_figures() -> None:
    """Without held-out horns there is no score, only the false alarms of the label."""
    horn = figures()["labels"]["horn"]
    values: Mapping[str, object] = horn
    unknown = ("average_precision", "roc_auc", "f1", "recall", "expected_calibration_error", "event_f1")
    assert all(values[name] is None for name in unknown)
    assert horn["alarms"]["per_hour"] is None
    assert horn["recall_by_snr"] == {}
    assert horn["false_alarms_per_hour"] == 0.0


def test_the_summary_is_counted_too() -> None:
    """Five of six clips are right; the mean leaves the horn out; folds keep their own figures."""
    all_ = figures()
    assert (all_["summary"]["accuracy"], all_["summary"]["mean_average_precision"]) == (0.8333, 1.0)
    assert all_["confusion"]["counts"] == [[0, 0, 0], [1, 3, 0], [0, 0, 2]]
    assert [(fold["name"], fold["clips"], fold["corpora"]) for fold in all_["folds"]] == [
        ("without a", 3, ["a"]),
        ("without b", 3, ["b"]),
    ]


def test_probabilities_are_held_to_the_prior() -> None:
    """Sirens have a tenth of the weight, independent of their share of the clips."""
    bars = figures()["labels"]["siren"]["reliability"]
    assert sum(bar["weight"] for bar in bars) == pytest.approx(1.0, abs=1e-3)
    assert sum(bar["weight"] * bar["share"] for bar in bars) == pytest.approx(0.1, abs=1e-3)


def test_figures_survive_their_file(tmp_path: Path) -> None:
    """Written figures are read again, with pairs as lists, as in JSON."""
    save_figures(figures(), tmp_path / "figures.json")
    assert load_figures(tmp_path / "figures.json") == json.loads(json.dumps(figures()))


def test_a_manifest_carries_single_numbers() -> None:
    """Counts, figures and alarms of every label, without the curves."""
    siren = summarize(figures())["siren"]
    assert (siren["clips"], siren["f1"], siren["false_alarms_per_hour_at_recall_90"]) == (4, 0.8889, 112.5)
    assert all(value is None or isinstance(value, (int, float)) for value in siren.values())


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1}'])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    """The line names the file, and the command that writes a good one."""
    path = tmp_path / "figures.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"figures\.json: the file (is not JSON|does not hold)"):
        load_figures(path)


def test_markdown_has_every_table() -> None:
    """It has the method, the summary, labels, noise, corpora and folds."""
    text = format_figures(figures())
    assert text.startswith("Each corpus in turn.\n\nmAP 1.000, accuracy 0.833")
    for line in (
        "| siren | 4 | 3 | 2 | 1.000 |",
        "| siren | 1.000 | 0.500 |",
        "| siren: a | 2 | 2 |",
        "| without b | 3 |",
    ):
        assert line in text, line


def test_nothing_held_out_is_refused() -> None:
    """Figures of nothing would be nothing but zeros."""
    with pytest.raises(DataError, match="no clip was held out"):
        pool_trials([], LABELS, ["wind"], 1.0, 0.1)
