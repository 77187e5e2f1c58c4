"""The display of `tocsin listen`: sources below, events and log above.

The sources are redrawn in place; events and log scroll.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.live import Live
from rich.text import Text

from edge.cli.common import print_text
from edge.cli.terminal import end_command, escape_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from edge.api.ports import NodeApi
    from edge.api.records import SourceStatus

_REFRESH_HZ = 8
_LABELS = 6
_LABEL_COLUMNS = 14
_BAR = 30
_FLOOR_DB = -80.0
_EVENTS = 5  # lines of the terminal that stay free for the latest events


class View:
    """The display of the sources and events of a node."""

    def __init__(self, console: Console) -> None:
        """Draw on `console`; if it is no terminal, print only events, one per line."""
        self._console = console
        self._live = (
            Live(console=console, auto_refresh=False, transient=True, vertical_overflow="crop")
            if console.is_terminal
            else None
        )
        self._ongoing: dict[str, str] = {}
        self._node: NodeApi | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="view", daemon=True)

    def attach(self, node: NodeApi) -> None:
        """Start to show a node."""
        self._node = node
        node.subscribe_events(self._show_event)
        if self._live:
            self._thread.start()

    def close(self) -> None:
        """Remove the sources from the screen; the events stay."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(1.0)

    def _show_event(self, event: dict[str, Any]) -> None:
        if self._live is None:
            print_text(format_event(event))
            return
        data = event["data"]
        if data.get("phase") in ("start", "update"):
            self._ongoing[data["event_id"]] = f"{data['source_name']} {data['label']} {data['score']:.2f}"
        else:
            self._ongoing.pop(data["event_id"], None)
        if data.get("phase") != "update":  # ongoing events have a line of their own below
            self._console.print(format_event(event), markup=False, highlight=False, soft_wrap=True)

    def _run(self) -> None:
        if self._live is None or self._node is None:
            return
        try:
            with self._live as live:
                while not self._closing.wait(1 / _REFRESH_HZ):
                    live.update(self._draw(self._node.sources()), refresh=True)
        except OSError as exc:  # the terminal is gone
            end_command(exc)

    def _draw(self, sources: Sequence[SourceStatus]) -> Group:
        width, height = self._console.size
        sign = "#" if self._console.options.ascii_only else "█"
        lines = format_picture(sources, tuple(self._ongoing.values()), width, height, sign=sign)
        return Group(*(Text(escape_line(line), no_wrap=True, overflow="crop") for line in lines))


def format_event(event: dict[str, Any]) -> str:
    """Format a CloudEvent as a line; a pattern shows its gaps instead of a phase."""
    data = event["data"]
    gaps = data.get("intervals_ms")
    phase = data["phase"] if gaps is None else "pattern"
    apart = f"  gaps {' '.join(map(str, gaps))} ms" if gaps else ""
    return f"{event['time'][11:19]}  {data['source_name']}  {data['label']:10}{phase:8}{data['score']:.2f}{apart}"


def format_picture(
    sources: Sequence[SourceStatus], ongoing: Sequence[str], width: int, height: int, *, sign: str
) -> list[str]:
    """Format the sources in as many lines as leave room for events."""
    room = max(1, height - _EVENTS - 1)  # the last line is for ongoing events
    each = room // max(1, len(sources))
    if each > 1:
        lines = [line for source in sources for line in _format_source(source, each, width, sign)]
    elif len(sources) <= room:
        lines = [_format_short(source) for source in sources]
    else:
        lines = [*map(_format_short, sources[: room - 1]), f"and {len(sources) - room + 1} more sources"]
    return [*lines, f"now  {', '.join(ongoing) or '-'}"]


def _format_short(source: SourceStatus) -> str:
    best = max(source.scores.items(), key=lambda item: item[1], default=None)
    label = f"  {best[0]} {best[1]:.2f}" if best else f"  {source.detail}"
    return f"{source.name}  {source.state.value}  {source.laeq:.1f} dB{label}"


def _format_source(source: SourceStatus, count: int, width: int, sign: str) -> list[str]:
    """Format a source, its level and its likeliest labels in 2 to `count` lines."""
    columns = max(0, min(_BAR, width - _LABEL_COLUMNS - 12))
    level = draw_bar((source.laeq - _FLOOR_DB) / -_FLOOR_DB, columns, sign)
    best = sorted(source.scores.items(), key=lambda item: -item[1])[: min(_LABELS, count - 2)]
    return [
        f"{source.name}  {source.state.value}  {source.detail or source.device}",
        f" {'level':{_LABEL_COLUMNS}}{source.laeq:6.1f} dB  {level}",
        *(f" {label:{_LABEL_COLUMNS}}{score:6.2f}     {draw_bar(score, columns, sign)}" for label, score in best),
    ]


def draw_bar(share: float, columns: int, sign: str) -> str:
    """Draw a bar for a share from 0 to 1."""
    return sign * round(min(max(share, 0.0), 1.0) * columns)


class ConsoleHandler(logging.Handler):
    """A log handler that prints above the display.

    Records below WARNING are dimmed, such as the reason why a pattern was suppressed.
    """

    def __init__(self, console: Console) -> None:
        """Print on `console`."""
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        style = "dim" if record.levelno < logging.WARNING else None
        try:
            self._console.print(self.format(record), style=style, markup=False, highlight=False)
        except OSError:  # the terminal is gone; the display ends the command
            self.handleError(record)
