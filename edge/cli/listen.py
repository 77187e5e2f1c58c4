"""`tocsin listen`: level, scores and events of the sources in the terminal. Nothing is kept or sent."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from edge import service
from edge.cli.common import log_as, models_folder_of, own_folder_of, settings_of, without_actions
from edge.inference.library import Library

if TYPE_CHECKING:
    from edge.node import Node
    from edge.settings import Settings

_REFRESH_HZ = 8
_LABELS, _EVENTS = 6, 10
_BAR = 30
_FLOOR_DB = -80.0


def listen(config: Path | None, sources: list[str]) -> int:
    """Watch until Ctrl-C; in a pipe there are only the events, a line each."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="tocsin-listen-") as folder:

        def read() -> Settings:
            return _quiet(settings_of(config, sources), Path(folder))

        quiet = read()
        log_as(quiet.logging, _ConsoleHandler(console) if console.is_terminal else None)
        view = View(console)
        try:
            return service.run(quiet, state_dir=Path(folder), reread=read, until_finished=True, on_node=view.attach)
        finally:
            view.close()


def _quiet(settings: Settings, folder: Path) -> Settings:
    """Return settings of a node that keeps to itself, with the networks that the real one uses."""
    library = Library(models_folder_of(settings))
    model = {
        "bundle": str(library.resolve(settings.model.bundle)[0]),
        "cache_dir": settings.model.cache_dir or own_folder_of(settings) / "tensorrt",
    }
    claps = {"bundle": str(library.clap_networks(settings.claps.bundle)[0])}
    settings = without_actions(settings)
    return settings.model_copy(
        update={
            "mqtt": settings.mqtt.model_copy(update={"enabled": False}),
            "api": settings.api.model_copy(update={"enabled": False}),
            "storage": settings.storage.model_copy(update={"path": folder}),
            "privacy": settings.privacy.model_copy(update={"keep_clips": False}),
            "model": settings.model.model_copy(update=model),
            "claps": settings.claps.model_copy(update=claps),
        }
    )


class View:
    """What is on the screen."""

    def __init__(self, console: Console) -> None:
        """Draw on `console`, in place where it is a terminal."""
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self._events: deque[str] = deque(maxlen=_EVENTS)
        self._node: Node | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="view", daemon=True)

    def attach(self, node: Node) -> None:
        """Begin to watch a node."""
        self._node = node
        node.subscribe_events(self._heard)
        if self._live:
            self._thread.start()

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(1.0)

    def _heard(self, event: dict[str, Any]) -> None:
        line = event_line(event)
        if self._live:
            self._events.append(line)
        else:
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _loop(self) -> None:
        if self._live is None or self._node is None:
            return
        with self._live as live:
            while not self._closing.wait(1 / _REFRESH_HZ):
                tables = [_source_table(source) for source in self._node.sources()]
                live.update(Group(*tables, Text("\n".join(self._events))), refresh=True)


def event_line(event: dict[str, Any]) -> str:
    """Return a CloudEvent in a line; a pattern has, instead of a phase, the gaps between its claps."""
    data = event["data"]
    gaps = data.get("intervals_ms")
    phase = data["phase"] if gaps is None else "pattern"
    apart = f"  gaps {' '.join(map(str, gaps))} ms" if gaps else ""
    return f"{event['time'][11:19]}  {data['source_name']}  {data['label']:10}{phase:8}{data['score']:.2f}{apart}"


def _source_table(source: dict[str, Any]) -> Table:
    title = f"{source['name']}  {source['state']}  {source['detail'] or source['device']}"
    table = Table(title=title, title_justify="left", box=None, show_header=False, padding=(0, 1))
    table.add_row("level", f"{source['laeq']:6.1f} dB", bar((source["laeq"] - _FLOOR_DB) / -_FLOOR_DB))
    best = sorted(source["scores"].items(), key=lambda item: -item[1])[:_LABELS]
    for label, score in best:
        table.add_row(label, f"{score:.2f}", bar(score))
    return table


def bar(share: float) -> str:
    """Return a bar of blocks for a share of 0 to 1."""
    return "█" * round(min(max(share, 0.0), 1.0) * _BAR)


class _ConsoleHandler(logging.Handler):
    """Puts log lines above the picture instead of through it.

    What is no trouble is dimmed, such as why a pattern was suppressed.
    """

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        style = "dim" if record.levelno < logging.WARNING else None
        self._console.print(self.format(record), style=style, markup=False, highlight=False)
