"""`tocsin run` and `tocsin demo`: the service in the foreground."""

from __future__ import annotations

import threading
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge import service
from edge.cli.common import folder_of, log_as, say, settings_of, without_actions
from edge.data import street_path
from edge.settings import Source
from edge.stopping import end_process

if TYPE_CHECKING:
    from edge.node import Node
    from edge.settings import Settings

_PHASES = {"start": "begins", "end": "ends"}


def run(config: Path | None, sources: list[str]) -> int:
    """Run until SIGTERM or SIGINT."""

    def read() -> Settings:
        return settings_of(config, sources)

    settings = read()
    log_as(settings.logging)
    before = set(threading.enumerate())
    return end_process(service.run(settings, state_dir=folder_of(settings), reread=read), before)


def demo(config: Path | None, *, once: bool) -> int:
    """Play the street scene, in real time, through everything that `run` has."""

    def read() -> Settings:
        return _demo_settings(settings_of(config), once=once)

    settings = read()
    log_as(settings.logging)
    folder = folder_of(settings)
    say(f"Playing a street scene in real time; history in {folder}.{'' if once else ' Ctrl-C ends it.'}")
    before = set(threading.enumerate())
    code = service.run(
        settings, state_dir=folder, reread=read, until_finished=once, any_port=True, on_node=_print_events
    )
    return end_process(code, before)


def _demo_settings(settings: Settings, *, once: bool) -> Settings:
    """Return settings that neither touch a real node's history nor take its name at the broker."""
    spec = f"file:{street_path()}" + ("" if once else "?loop=1")
    changes: dict[str, Any] = {"sources": (Source(name="street", spec=spec),)}
    if settings.node.id is None:
        changes["node"] = settings.node.model_copy(update={"id": "demo"})
    if settings.storage.path is None:
        changes["storage"] = settings.storage.model_copy(update={"path": folder_of(settings) / "demo"})
    return without_actions(settings).model_copy(update=changes)


def _print_events(node: Node) -> None:
    timeline = node.streams[0].runner.timeline

    def show(event: dict[str, Any]) -> None:
        data = event["data"]
        # Before the scene begins there are only the ends of what an earlier run left open.
        if data["phase"] in _PHASES and timeline.anchored:
            at = datetime.fromisoformat(event["time"].replace("Z", "+00:00"))
            is_pattern = "intervals_ms" in data
            word = "heard" if is_pattern else _PHASES[data["phase"]]
            lasted = f"  {data['duration_s']:.1f} s" if data["phase"] == "end" and not is_pattern else ""
            seconds = (at - timeline.utc(0)).total_seconds()
            say(f"{seconds:7.1f} s  {data['label']:9}{word:7} {data['peak_score']:.2f}{lasted}")

    node.subscribe_events(show)
