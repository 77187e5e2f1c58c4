"""What `figures.json` holds: written by `report` and `kfold`, and what the page and the model card are made of.

Figures are rounded; None stands where there was nothing to measure on. A score of a clip is the generalised mean, of
power 1/2, of the odds of its decisions.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypedDict, cast

from edge.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1


class Alarms(TypedDict):
    """False alarms on background of corpora that the networks never heard."""

    hours: float
    corpora: int
    threshold: float | None
    """The probability that keeps 90 % of the held-out clips of the label."""
    per_hour: float | None
    """False alarms an hour at that threshold."""
    sure_hours: float
    """Hours without the decisions at which a teacher hears the label too: there nobody is sure."""
    sure_per_hour: float | None
    """False alarms an hour at the same threshold, on those hours."""
    curve: list[tuple[float, float]]
    """(recall, false alarms an hour), on all hours."""


class Bin(TypedDict):
    """A bar of the reliability diagram, that has at least one decision in it."""

    weight: float
    """Share of the decisions."""
    chance: float
    """Their mean probability."""
    share: float
    """How many of them were true."""


class CorpusFigures(TypedDict):
    """One label in one corpus, against all held-out clips of other labels of all corpora."""

    clips: int
    recordings: int
    average_precision: float | None


class LabelFigures(TypedDict):
    """One label on all that was held out."""

    clips: int
    recordings: int
    corpora: int
    average_precision: float | None
    """Every clip weighs the same."""
    average_precision_by_recording: float | None
    """Every recording weighs the same, however many clips were cut from it."""
    roc_auc: float | None
    false_positive_rate_at_recall_90: float | None
    """Share of the clips without the label that score above 90 % of those with it."""
    precision: float | None
    """Of clips with a decision at or above the threshold `on`, as are recall and F1."""
    recall: float | None
    f1: float | None
    expected_calibration_error: float | None
    """Of decisions, the share of true ones weighed to the prior of the calibration."""
    false_alarms_per_hour: float | None
    """At the threshold `on`, on all held-out ambience."""
    ambience_hours: float
    alarms: Alarms
    event_f1: float | None
    """Event-based, in scenes at 10 dB; onsets and offsets must be right."""
    event_onset_f1: float | None
    """The same, onsets alone."""
    recall_by_snr: dict[str, float | None]
    """Share of clips that reach `on`: `clean`, and by the ratio to the background in dB. Empty where not measured."""
    scenes: int
    """Clips that `recall_by_snr` is about."""
    precision_recall: list[tuple[float, float]]
    """(recall, precision) from the highest score down."""
    reliability: list[Bin]
    by_corpus: dict[str, CorpusFigures]


class Summary(TypedDict):
    """The network as a whole."""

    clips: int
    recordings: int
    accuracy: float | None
    """Share of clips of one label whose highest score is that label."""
    mean_average_precision: float | None
    """Over labels; the same holds for the next three."""
    macro_f1: float | None
    roc_auc: float | None
    expected_calibration_error: float | None


class FoldFigures(TypedDict):
    """What was held out in one fold, scored by that fold's own network."""

    name: str
    clips: int
    corpora: list[str]
    """Corpora of the held-out clips that its network never heard."""
    accuracy: float | None
    mean_average_precision: float | None
    average_precision: dict[str, float | None]


class Confusion(TypedDict):
    """Clips of one label (row) by the label that they were taken for (column)."""

    labels: list[str]
    counts: list[list[int]]


class Figures(TypedDict):
    """Everything that was measured."""

    format: int
    title: str
    method: str
    """How what was measured on was kept apart, in a sentence."""
    events: list[str]
    """The labels that the report draws; all others are in its tables only."""
    summary: Summary
    labels: dict[str, LabelFigures]
    confusion: Confusion
    folds: list[FoldFigures]


def measured(figures: Figures) -> dict[str, dict[str, float | None]]:
    """Return the single numbers of every label, without curves: what a bundle's manifest carries."""
    brief: dict[str, dict[str, float | None]] = {}
    for label, values in figures["labels"].items():
        alarms = values["alarms"]
        numbers = {name: value for name, value in values.items() if value is None or isinstance(value, (int, float))}
        rates = {"background_hours": alarms["hours"], "false_alarms_per_hour_at_recall_90": alarms["per_hour"]}
        brief[label] = cast("dict[str, float | None]", numbers | rates)
    return brief


def save_figures(figures: Figures, path: Path) -> None:
    """Write figures as JSON; `OSError` where that cannot be done."""
    path.write_text(json.dumps(figures, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def load_figures(path: Path) -> Figures:
    """Read what `save_figures` wrote; `DataError` for anything else, `OSError` for no file."""
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
