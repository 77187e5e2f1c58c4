"""The picture that `tocsin listen` draws: the sources below, and above them, where they stay, events and log."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.live import Live
from rich.text import Text

from edge.cli.common import say
from edge.cli.terminal import lose, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from edge.api.ports import NodeApi
    from edge.api.records import SourceStatus

_REFRESH_HZ = 8
_LABELS = 6
_NAMED = 14  # columns of a label
_BAR = 30
_FLOOR_DB = -80.0
_EVENTS = 5  # lines of any terminal that the picture leaves to what happened last


class View:
    """What is on the screen."""

    def __init__(self, console: Console) -> None:
        """Draw on `console`, in place where it is a terminal; in a pipe there are only the events, a line each."""
        self._console = console
        self._live = (
            Live(console=console, auto_refresh=False, transient=True, vertical_overflow="crop")
            if console.is_terminal
            else None
        )
        self._lasting: dict[str, str] = {}
        self._node: NodeApi | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="view", daemon=True)

    def attach(self, node: NodeApi) -> None:
        """Begin to watch a node."""
        self._node = node
        node.subscribe_events(self._heard)
        if self._live:
            self._thread.start()

    def close(self) -> None:
        """Take the picture away; the events above it stay."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(1.0)

    def _heard(self, event: dict[str, Any]) -> None:
        if self._live is None:
            say(event_line(event))
            return
        data = event["data"]
        if data.get("phase") in ("start", "update"):
            self._lasting[data["event_id"]] = f"{data['source_name']} {data['label']} {data['score']:.2f}"
        else:
            self._lasting.pop(data["event_id"], None)
        if data.get("phase") != "update":  # of a sound that lasts there is a line below, always the same
            self._console.print(event_line(event), markup=False, highlight=False, soft_wrap=True)

    def _loop(self) -> None:
        if self._live is None or self._node is None:
            return
        try:
            with self._live as live:
                while not self._closing.wait(1 / _REFRESH_HZ):
                    live.update(self._picture(self._node.sources()), refresh=True)
        except OSError as exc:  # the terminal is gone
            lose(exc)

    def _picture(self, sources: Sequence[SourceStatus]) -> Group:
        width, height = self._console.size
        sign = "#" if self._console.options.ascii_only else "█"
        lines = picture_lines(sources, tuple(self._lasting.values()), width, height, sign=sign)
        return Group(*(Text(one_line(line), no_wrap=True, overflow="crop") for line in lines))


def event_line(event: dict[str, Any]) -> str:
    """Return a CloudEvent in a line; a pattern has, instead of a phase, the gaps between its claps."""
    data = event["data"]
    gaps = data.get("intervals_ms")
    phase = data["phase"] if gaps is None else "pattern"
    apart = f"  gaps {' '.join(map(str, gaps))} ms" if gaps else ""
    return f"{event['time'][11:19]}  {data['source_name']}  {data['label']:10}{phase:8}{data['score']:.2f}{apart}"


def picture_lines(
    sources: Sequence[SourceStatus], lasting: Sequence[str], width: int, height: int, *, sign: str
) -> list[str]:
    """Return the lines of the picture: as much of every source as leaves room for events on this terminal."""
    room = max(1, height - _EVENTS - 1)  # the last line is for the sounds that last
    each = room // max(1, len(sources))
    if each > 1:
        lines = [line for source in sources for line in _source_lines(source, each, width, sign)]
    elif len(sources) <= room:
        lines = [_short(source) for source in sources]
    else:
        lines = [*map(_short, sources[: room - 1]), f"and {len(sources) - room + 1} more sources"]
    return [*lines, f"now  {', '.join(lasting) or '-'}"]


def _short(source: SourceStatus) -> str:
    best = max(source.scores.items(), key=lambda item: item[1], default=None)
    label = f"  {best[0]} {best[1]:.2f}" if best else f"  {source.detail}"
    return f"{source.name}  {source.state.value}  {source.laeq:.1f} dB{label}"


def _source_lines(source: SourceStatus, count: int, width: int, sign: str) -> list[str]:
    """Return at most `count` lines, two at least: the source, its level and its likeliest labels."""
    columns = max(0, min(_BAR, width - _NAMED - 12))
    level = bar((source.laeq - _FLOOR_DB) / -_FLOOR_DB, columns, sign)
    best = sorted(source.scores.items(), key=lambda item: -item[1])[: min(_LABELS, count - 2)]
    return [
        f"{source.name}  {source.state.value}  {source.detail or source.device}",
        f" {'level':{_NAMED}}{source.laeq:6.1f} dB  {level}",
        *(f" {label:{_NAMED}}{score:6.2f}     {bar(score, columns, sign)}" for label, score in best),
    ]


def bar(share: float, columns: int, sign: str) -> str:
    """Return a bar for a share of 0 to 1."""
    return sign * round(min(max(share, 0.0), 1.0) * columns)


class ConsoleHandler(logging.Handler):
    """Puts log lines above the picture instead of through it.

    What is no trouble is dimmed, such as why a pattern was suppressed.
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
        except OSError:  # the terminal is gone: whoever logs goes on until the picture has noticed
            self.handleError(record)
