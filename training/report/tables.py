"""Tables of figures, and the writer of Markdown tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from training.measure.schema import Figures, LabelFigures

COLUMNS: dict[str, str] = {
    "clips": "clips",
    "recordings": "recordings",
    "corpora": "corpora",
    "average_precision": "AP by clip",
    "average_precision_by_recording": "AP by recording",
    "roc_auc": "AUC",
    "false_positive_rate_at_recall_90": "FPR at 90 % recall",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "event_f1": "event F1",
    "event_onset_f1": "onset F1",
    "expected_calibration_error": "ECE",
    "false_alarms_per_hour": "false alarms/h at threshold",
}
_BRIEF = (
    *("clips", "recordings", "corpora", "average_precision", "average_precision_by_recording"),
    *("false_positive_rate_at_recall_90", "precision", "recall", "f1"),
)
ALARM_COLUMNS = ("false alarms/h at 90 % recall", "where sure", "unseen hours")
"""False alarms per hour on background of unseen corpora, and its hours."""
_RATE = "false_alarms_per_hour"


def format_cell(value: float | None, digits: int = 3) -> str:
    """Format a figure for a table; a dash for None."""
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.{digits}f}"


class Table(NamedTuple):
    """A header, and rows whose first cell is the name."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def to_markdown(self) -> str:
        """Return the table as Markdown."""
        lines = (self.head, ["---"] * len(self.head), *self.rows)
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def tabulate(what: str, columns: Mapping[str, str], figures: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return a table with some values of each row of `figures`, a dash for None.

    `columns` are key → header.
    """
    rows = [
        [name, *("-" if values[key] is None else str(values[key]) for key in columns)]
        for name, values in figures.items()
    ]
    return Table([what, *columns.values()], rows)


def tabulate_brief(figures: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return the figures of a bundle's manifest, a row per label."""
    columns = {key: COLUMNS[key] for key in _BRIEF} | {_RATE: "false alarms/h"}
    return tabulate("label", columns, figures)


def tabulate_labels(figures: Figures, names: Iterable[str]) -> Table:
    """Return the figures of some labels, a row each."""
    rows = [[name, *_row(figures["labels"][name])] for name in names]
    return Table(["label", *COLUMNS.values(), *ALARM_COLUMNS], rows)


def tabulate_noise(figures: Figures) -> Table:
    """Return the events' recall by SNR; without rows if not measured."""
    recalls_of = {event: figures["labels"][event]["recall_by_snr"] for event in figures["events"]}
    ratios = next((list(recalls) for recalls in recalls_of.values() if recalls), [])
    rows = [
        [event, *(format_cell(recalls[ratio]) for ratio in ratios)] for event, recalls in recalls_of.items() if recalls
    ]
    return Table(["recall at", *(ratio if ratio == "clean" else f"{ratio} dB" for ratio in ratios)], rows)


def tabulate_corpora(figures: Figures) -> Table:
    """Return the events' figures in each corpus: leave-one-corpus-out."""
    rows = [
        [
            f"{event}: {corpus}",
            format_cell(values["clips"]),
            format_cell(values["recordings"]),
            format_cell(values["average_precision"]),
        ]
        for event in figures["events"]
        for corpus, values in figures["labels"][event]["by_corpus"].items()
    ]
    return Table(["event and corpus", "clips", "recordings", "AP"], rows)


def tabulate_folds(figures: Figures) -> Table:
    """Return each fold's figures, a row each."""
    head = ["fold", "clips", "accuracy", "mAP", *(f"AP {event}" for event in figures["events"])]
    rows = [
        [
            fold["name"],
            format_cell(fold["clips"]),
            format_cell(fold["accuracy"]),
            format_cell(fold["mean_average_precision"]),
            *(format_cell(fold["average_precision"][event]) for event in figures["events"]),
        ]
        for fold in figures["folds"]
    ]
    return Table(head, rows)


def _row(figures: LabelFigures) -> list[str]:
    """Return the cells of a label for `COLUMNS` and `ALARM_COLUMNS`."""
    values = cast("Mapping[str, float | None]", figures)
    alarms = figures["alarms"]
    cells = [format_cell(values[name], 1 if name == _RATE else 3) for name in COLUMNS]
    return [
        *cells,
        format_cell(alarms["per_hour"], 1),
        format_cell(alarms["sure_per_hour"], 1),
        format_cell(alarms["hours"], 2),
    ]


def format_figures(figures: Figures) -> str:
    """Return the method and all tables as Markdown."""
    summary = figures["summary"]
    whole = (
        f"mAP {format_cell(summary['mean_average_precision'])}, accuracy {format_cell(summary['accuracy'])}, "
        f"macro-F1 {format_cell(summary['macro_f1'])}, AUC {format_cell(summary['roc_auc'])}, "
        f"ECE {format_cell(summary['expected_calibration_error'])} "
        f"on {summary['clips']} clips of {summary['recordings']} recordings."
    )
    parts = (
        tabulate_labels(figures, figures["labels"]),
        tabulate_noise(figures),
        tabulate_corpora(figures),
        tabulate_folds(figures),
    )
    return "\n\n".join((figures["method"], whole, *(part.to_markdown() for part in parts if part.rows)))
