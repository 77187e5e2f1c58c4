"""The report as one self-contained HTML page, in light and dark."""

from __future__ import annotations

import base64
import json
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from training.report import tables
from training.report.charts import draw_charts
from training.report.tables import format_cell

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from training.measure.schema import Confusion, Figures
    from training.report.pictures import Picture
    from training.report.tables import Table

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{title}</title><style>{style}</style></head>
<body><header><h1>{title}</h1><p class="quiet">{method}</p></header><main>{body}</main>
<script type="application/json" id="figures">{figures}</script></body></html>
"""
_BY_CORPUS = "Each corpus's clips of an event against all held-out clips of other labels."
_TERMS = {
    "AP, mAP": "Average precision: the area under the steps of precision over recall, one label against all else. mAP "
    "is its mean over labels. By recording, every recording weighs the same, however many clips were cut from it.",
    "AUC": "The chance that a clip with the label scores above one without it; ties count half.",
    "FPR at 90 % recall": "The share of clips without the label that score above the threshold that keeps 90 % of "
    "those with it.",
    "precision, recall, F1": "Of clips with at least one decision at or above the threshold `on`, which was chosen on "
    "validation data. Macro-F1 is the mean of F1 over labels.",
    "false alarms/h": "Groups of decisions at or above the threshold, more than a second apart, where the label does "
    "not sound. At 90 % recall the threshold is the one that keeps 90 % of the label's held-out clips, and the "
    "background comes from corpora that the network never heard. Where sure: without the time in which a teacher, too, "
    "hears the label that the clip does not have.",
    "event F1, onset F1": "Sounds laid into background at 10 dB: an event counts as found when its onset is within "
    "200 ms, and for event F1 its offset within 200 ms or 20 % of its length too (Mesaros et al. 2016).",
    "ECE": "Expected calibration error over 15 bins (Guo et al. 2017), decision by decision, with the share of true "
    "ones brought to the prior of the calibration.",
    "Grad-CAM": "Orange is where the last map in time and pitch speaks for the label (Selvaraju et al. 2017).",
}


def write_page(figures: Figures, path: Path, pictures: Sequence[Picture] = ()) -> None:
    """Write the page; raise `OSError` if that fails."""
    path.write_text(render_page(figures, pictures), encoding="utf-8")


def render_page(figures: Figures, pictures: Sequence[Picture] = ()) -> str:
    """Render the page of figures and pictures.

    The page contains the figures as JSON too.
    """
    events = figures["events"]
    sections = (
        _section("Summary", _tiles(figures)),
        _section(
            "Events",
            _table(tables.tabulate_labels(figures, events)),
            *draw_charts(figures),
            _table(tables.tabulate_noise(figures)),
        ),
        _section("All labels", _table(tables.tabulate_labels(figures, figures["labels"]), events)),
        _section("By corpus", _table(tables.tabulate_corpora(figures)), about=_BY_CORPUS),
        _section(
            "Folds",
            _table(tables.tabulate_folds(figures)),
            about="Every fold is scored by a network that did not hear it.",
        ),
        _section(
            "Confusion", _confusion(figures["confusion"]), about="Rows: what it was. Columns: what scored highest."
        ),
        _section("What the network looks at", *_pictures(pictures)) if pictures else "",
        _section("Terms", _terms()),
    )
    return _PAGE.format(
        title=escape(figures["title"]),
        method=escape(figures["method"]),
        style=Path(__file__).with_name("page.css").read_text("utf-8"),
        body="".join(sections),
        figures=json.dumps(figures, allow_nan=False).replace("<", "\\u003c"),
    )


def _section(title: str, *parts: str, about: str = "") -> str:
    note = f'<p class="quiet">{escape(about)}</p>' if about else ""
    return f"<section><h2>{escape(title)}</h2>{note}{''.join(parts)}</section>"


def _tiles(figures: Figures) -> str:
    summary = figures["summary"]
    values = {
        "mAP": summary["mean_average_precision"],
        "accuracy (top 1)": summary["accuracy"],
        "macro-F1": summary["macro_f1"],
        "AUC": summary["roc_auc"],
        "calibration error": summary["expected_calibration_error"],
        "clips": summary["clips"],
        "recordings": summary["recordings"],
    }
    tiles = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{format_cell(value)}</dd></div>" for name, value in values.items()
    )
    return f'<dl class="tiles">{tiles}</dl>'


def _table(table: Table, marked: Collection[str] = ()) -> str:
    """Return a table as HTML, "" for one without rows.

    The rows of the names in `marked` are highlighted.
    """
    if not table.rows:
        return ""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.head)
    lines = []
    for name, *cells in table.rows:
        kind = ' class="event"' if name in marked else ""
        line = "".join(f"<td>{escape(text)}</td>" for text in cells)
        lines.append(f'<tr{kind}><th scope="row">{escape(name)}</th>{line}</tr>')
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def _confusion(confusion: Confusion) -> str:
    labels = confusion["labels"]
    head = "".join(f'<th scope="col"><span>{escape(label)}</span></th>' for label in labels)
    lines = []
    for row, counts in enumerate(confusion["counts"]):
        cells = "".join(_share(count, sum(counts), right=row == column) for column, count in enumerate(counts))
        lines.append(f'<tr><th scope="row">{escape(labels[row])}</th>{cells}</tr>')
    body = f"<thead><tr><td></td>{head}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return f'<div class="wide"><table class="confusion">{body}</table></div>'


def _share(count: int, total: int, *, right: bool) -> str:
    if not count:
        return "<td></td>"
    return f'<td class="{"right" if right else ""}" style="--share:{count / total:.2f}">{count}</td>'


def _pictures(pictures: Sequence[Picture]) -> Iterator[str]:
    for label in dict.fromkeys(picture.label for picture in pictures):
        shown = "".join(_picture(picture) for picture in pictures if picture.label == label)
        yield f'<h3>{escape(label)}</h3><div class="pictures">{shown}</div>'


def _picture(picture: Picture) -> str:
    data = base64.b64encode(picture.png).decode()
    words = f"{picture.kind} of {picture.label}"
    return (
        f'<figure><img src="data:image/png;base64,{data}" alt="{escape(words)}">'
        f"<figcaption><b>{escape(picture.kind)}</b> {escape(picture.caption)}</figcaption></figure>"
    )


def _terms() -> str:
    return (
        '<dl class="terms">' + "".join(f"<dt>{escape(a)}</dt><dd>{escape(b)}</dd>" for a, b in _TERMS.items()) + "</dl>"
    )
