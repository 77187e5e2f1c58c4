"""The schema of `figures.json`, as written by `report` and `kfold`.

The page and the model card are made of it. Figures are rounded; None is a figure that could not be measured. A score of
a clip is the generalised mean, of power 1/2, of the odds of its decisions.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypedDict, cast

from edge.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1


class Alarms(TypedDict):
    """False alarms on background of corpora unseen by the networks."""

    hours: float
    corpora: int
    threshold: float | None
    """The probability that keeps 90 % of the label's held-out clips."""
    per_hour: float | None
    """False alarms per hour at that threshold."""
    sure_hours: float
    """Hours without the decisions at which a teacher detects the label too, so that the truth is unknown."""
    sure_per_hour: float | None
    """False alarms per hour at the same threshold, on those hours."""
    curve: list[tuple[float, float]]
    """(recall, false alarms per hour), on all hours."""


class Bin(TypedDict):
    """A bar of the reliability diagram with at least one decision."""

    weight: float
    """Share of the decisions."""
    chance: float
    """Their mean probability."""
    share: float
    """Share of them that was true."""


class CorpusFigures(TypedDict):
    """Figures of one label in one corpus, against held-out clips of other labels."""

    clips: int
    recordings: int
    average_precision: float | None


class LabelFigures(TypedDict):
    """Figures of one label on all held-out clips."""

    clips: int
    recordings: int
    corpora: int
    average_precision: float | None
    """Every clip weighs the same."""
    average_precision_by_recording: float | None
    """Every recording weighs the same, however many clips it has."""
    roc_auc: float | None
    false_positive_rate_at_recall_90: float | None
    """Share of the clips without the label that score above 90 % of those with it."""
    precision: float | None
    """Precision of clips with a decision at or above the threshold `on`, as for recall and F1."""
    recall: float | None
    f1: float | None
    expected_calibration_error: float | None
    """Error of decisions, with true ones weighted to the prior of the calibration."""
    false_alarms_per_hour: float | None
    """At the threshold `on`, on all held-out ambience."""
    ambience_hours: float
    alarms: Alarms
    event_f1: float | None
    """Event-based F1 in scenes at 10 dB; onsets and offsets must be correct."""
    event_onset_f1: float | None
    """The same for onsets alone."""
    recall_by_snr: dict[str, float | None]
    """Share of clips that reach `on`: `clean`, and by the ratio to the background in dB. Empty if not measured."""
    scenes: int
    """Number of clips in `recall_by_snr`."""
    precision_recall: list[tuple[float, float]]
    """(recall, precision) from the highest score down."""
    reliability: list[Bin]
    by_corpus: dict[str, CorpusFigures]


class Summary(TypedDict):
    """Figures of the network as a whole."""

    clips: int
    recordings: int
    accuracy: float | None
    """Share of clips of one label whose highest score is that label."""
    mean_average_precision: float | None
    """Mean over labels, as are the next three."""
    macro_f1: float | None
    roc_auc: float | None
    expected_calibration_error: float | None


class FoldFigures(TypedDict):
    """Figures of the held-out clips of one fold, scored by its own network."""

    name: str
    clips: int
    corpora: list[str]
    """Corpora of the held-out clips that its network was not trained on."""
    accuracy: float | None
    mean_average_precision: float | None
    average_precision: dict[str, float | None]


class Confusion(TypedDict):
    """Clips of one label (row) by the label with the highest score (column)."""

    labels: list[str]
    counts: list[list[int]]


class Figures(TypedDict):
    """All figures of a report."""

    format: int
    title: str
    method: str
    """A sentence about how the test clips were kept apart."""
    events: list[str]
    """The labels in the charts; all others are in the tables only."""
    summary: Summary
    labels: dict[str, LabelFigures]
    confusion: Confusion
    folds: list[FoldFigures]


def summarize(figures: Figures) -> dict[str, dict[str, float | None]]:
    """Return the single numbers of every label, for a bundle's manifest."""
    brief: dict[str, dict[str, float | None]] = {}
    for label, values in figures["labels"].items():
        alarms = values["alarms"]
        numbers = {name: value for name, value in values.items() if value is None or isinstance(value, (int, float))}
        rates = {"background_hours": alarms["hours"], "false_alarms_per_hour_at_recall_90": alarms["per_hour"]}
        brief[label] = cast("dict[str, float | None]", numbers | rates)
    return brief


def save_figures(figures: Figures, path: Path) -> None:
    """Write figures as JSON; raise `OSError` if that fails."""
    path.write_text(json.dumps(figures, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def load_figures(path: Path) -> Figures:
    """Read a file of `save_figures`.

    Raises `DataError` for anything else, `OSError` for no file.
    """
    try:
        values = json.loads(path.read_text("utf-8"))
    except ValueError as exc:
        msg = f"the file is not JSON: {exc}"
        raise DataError(msg, where=path) from exc
    if (
        not isinstance(values, dict)
        or values.get("format") != FORMAT
        or not set(Figures.__annotations__) <= set(values)
    ):
        msg = f"the file does not hold figures of format {FORMAT}"
        raise DataError(msg, where=path, remedy="'python -m training report' and 'kfold' write them")
    return cast("Figures", values)
