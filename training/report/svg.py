"""Line charts as inline SVG.

The page's style sheet colours them, so that they follow its light and dark form. matplotlib draws more, but its colours
are fixed in the file and it is a heavy dependency for a few line charts.
"""

from __future__ import annotations

import dataclasses
import math
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

COLOURS = 6
"""Largest number of lines in one chart."""
_WIDTH, _HEIGHT = 460, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 14, 12, 46
_FEW_POINTS = 20


@dataclasses.dataclass(frozen=True, slots=True)
class Series:
    """A line and its name."""

    name: str
    points: Sequence[tuple[float, float]]
    steps: bool = False
    """Whether a value holds from the previous point to its own, as for precision over recall."""


@dataclasses.dataclass(frozen=True, slots=True)
class Axis:
    """An axis: title, range, and labelled ticks."""

    title: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    log: bool = False

    def locate(self, value: float) -> float:
        """Return the position of a value, 0 to 1.

        A value outside the axis is moved to its end.
        """
        value = min(max(value, self.low), self.high)
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def draw_line_chart(series: Sequence[Series], x: Axis, y: Axis, about: str, *, diagonal: bool = False) -> str:
    """Return a chart with its legend as HTML.

    `about` is its description in words. There may be up to `COLOURS` lines.
    """
    grid = "".join(_tick_x(x, at, text) for at, text in x.ticks) + "".join(_tick_y(y, at, text) for at, text in y.ticks)
    ideal = f'<path class="ideal" d="M{_x(x, x.low)} {_y(y, y.low)}L{_x(x, x.high)} {_y(y, y.high)}"/>'
    lines = "".join(_line(number, one, x, y) for number, one in enumerate(series))
    across, down = (_LEFT + _WIDTH - _RIGHT) / 2, (_TOP + _HEIGHT - _BOTTOM) / 2
    titles = (
        f'<text class="axis" x="{across}" y="{_HEIGHT - 6}">{escape(x.title)}</text>'
        f'<text class="axis" transform="translate(13 {down}) rotate(-90)">{escape(y.title)}</text>'
    )
    legend = "".join(f'<li class="s{number}">{escape(one.name)}</li>' for number, one in enumerate(series))
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(about)}">'
        f'{grid}{ideal if diagonal else ""}{lines}{titles}</svg><ul class="legend">{legend}</ul>'
    )


def _line(number: int, series: Series, x: Axis, y: Axis) -> str:
    at = [(_x(x, a), _y(y, b)) for a, b in series.points]
    if not at:
        return ""
    if series.steps:
        path = f"M{_x(x, x.low)} {at[0][1]}" + "".join(f"V{b}H{a}" for a, b in at)
    else:
        path = "M" + "L".join(f"{a} {b}" for a, b in at)
    dots = ""
    if len(at) <= _FEW_POINTS:
        dots = "".join(
            f'<circle cx="{a}" cy="{b}" r="3.5"><title>{escape(series.name)}: {p:g}, {q:g}</title></circle>'
            for (a, b), (p, q) in zip(at, series.points, strict=True)
        )
    return f'<g class="line s{number}"><path d="{path}"/>{dots}</g>'


def _tick_x(axis: Axis, at: float, text: str) -> str:
    x = _x(axis, at)
    return (
        f'<path class="grid" d="M{x} {_TOP}V{_HEIGHT - _BOTTOM}"/>'
        f'<text class="tick" x="{x}" y="{_HEIGHT - _BOTTOM + 18}">{escape(text)}</text>'
    )


def _tick_y(axis: Axis, at: float, text: str) -> str:
    y = _y(axis, at)
    return (
        f'<path class="grid" d="M{_LEFT} {y}H{_WIDTH - _RIGHT}"/>'
        f'<text class="tick left" x="{_LEFT - 7}" y="{y + 4}">{escape(text)}</text>'
    )


def _x(axis: Axis, value: float) -> float:
    return round(_LEFT + axis.locate(value) * (_WIDTH - _LEFT - _RIGHT), 1)


def _y(axis: Axis, value: float) -> float:
    return round(_HEIGHT - _BOTTOM - axis.locate(value) * (_HEIGHT - _TOP - _BOTTOM), 1)
