"""The charts of the report: precision over recall, false alarms, recall in noise, reliability."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from training.report.svg import COLOURS, Axis, Series, draw_line_chart

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from training.measure.schema import Figures, LabelFigures

_TENTHS = [(at / 5, f"{at / 5:g}") for at in range(6)]
_RATES = [(0.1, "≤ 0.1"), (1.0, "1"), (10.0, "10"), (100.0, "100")]


def draw_charts(figures: Figures) -> Iterator[str]:
    """Yield the charts of the events as HTML.

    A block has few enough events to distinguish them.
    """
    labels, events = figures["labels"], figures["events"]
    for at in range(0, len(events), COLOURS):
        some = events[at : at + COLOURS]
        charts = (
            (_precision_recall(labels, some), "Precision over recall, by clip"),
            (_alarms(labels, some), "False alarms an hour on background of unseen corpora, over recall"),
            (_snr(labels, some), "Recall in background, by signal-to-noise ratio"),
            (_reliability(labels, some), "Reliability: how often a probability came true"),
        )
        drawn = (f"<figure>{chart}<figcaption>{escape(text)}</figcaption></figure>" for chart, text in charts if chart)
        yield f'<div class="charts">{"".join(drawn)}</div>'


def _precision_recall(labels: Mapping[str, LabelFigures], some: Sequence[str]) -> str:
    lines = [Series(name, labels[name]["precision_recall"], steps=True) for name in some]
    return draw_line_chart(lines, _share("recall"), _share("precision"), "Precision over recall")


def _alarms(labels: Mapping[str, LabelFigures], some: Sequence[str]) -> str:
    lines = [Series(name, labels[name]["alarms"]["curve"]) for name in some]
    if not any(line.points for line in lines):
        return ""
    x = Axis("recall", 0.5, 1.0, [(at / 10, f"{at / 10:g}") for at in range(5, 11)])
    return draw_line_chart(
        lines, x, Axis("false alarms an hour", 0.1, 200.0, _RATES, log=True), "False alarms over recall"
    )


def _snr(labels: Mapping[str, LabelFigures], some: Sequence[str]) -> str:
    measured = [name for name in some if labels[name]["recall_by_snr"]]
    if not measured:
        return ""
    steps = list(labels[measured[0]]["recall_by_snr"])
    lines = [
        Series(
            name,
            [(steps.index(snr), value) for snr, value in labels[name]["recall_by_snr"].items() if value is not None],
        )
        for name in some
    ]
    x = Axis("signal to noise, dB", 0.0, len(steps) - 1.0, [(number, snr) for number, snr in enumerate(steps)])
    return draw_line_chart(lines, x, _share("recall"), "Recall by signal-to-noise ratio")


def _reliability(labels: Mapping[str, LabelFigures], some: Sequence[str]) -> str:
    lines = [Series(name, [(bar["chance"], bar["share"]) for bar in labels[name]["reliability"]]) for name in some]
    return draw_line_chart(lines, _share("probability said"), _share("share true"), "Reliability", diagonal=True)


def _share(title: str) -> Axis:
    return Axis(title, 0.0, 1.0, _TENTHS)
