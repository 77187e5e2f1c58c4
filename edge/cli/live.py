"""`tocsin run` and `tocsin demo`: the service in the foreground."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from edge.cli.common import find_own_folder, print_text, read_settings, set_up_service_log
from edge.data import street_path
from edge.errors import UsageError
from edge.node import service
from edge.node.stopping import end_process
from edge.settings.profiles import make_demo_settings
from edge.settings.secrets import read_secret
from edge.settings.source_spec import parse_source
from edge.settings.tree import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.node.node import Node
    from edge.settings.tree import Settings

_PHASES = {"start": "begins", "end": "ends"}


def run(config: Path | None, sources: list[str]) -> int:
    """Run until SIGTERM or SIGINT."""

    def read() -> Settings:
        return read_settings(config, sources)

    settings = read()
    set_up_service_log(settings.logging)
    before = set(threading.enumerate())
    return end_process(service.run(settings, state_dir=find_own_folder(settings), reread=read), before)


@dataclass(frozen=True)
class DemoOptions:
    """Options of the demonstration; None and empty leave the configuration unchanged."""

    once: bool = False
    sources: Sequence[str] = ()
    host: str | None = None
    port: int | None = None
    token: str | None = None
    token_file: Path | None = None


def run_demo(config: Path | None, options: DemoOptions) -> int:
    """Run the whole service on the street scene or on `options.sources`."""

    def read() -> Settings:
        return _read_demo_settings(read_settings(config, options.sources), options)

    settings = read()
    set_up_service_log(settings.logging, events=False)
    folder = find_own_folder(settings)
    specs = ", ".join(parse_source(source.spec).masked for source in settings.sources)
    what = specs if options.sources else "a street scene in real time"
    print_text(f"Playing {what}; history in {folder}.{'' if options.once else ' Ctrl-C ends it.'}")
    before = set(threading.enumerate())
    code = service.run(
        settings,
        state_dir=folder,
        reread=read,
        until_finished=options.once,
        any_port=options.port is None,
        on_node=_print_events,
        on_url=_print_address,
    )
    return end_process(code, before)


def _read_demo_settings(settings: Settings, options: DemoOptions) -> Settings:
    """Return the settings of the demonstration.

    Raises `UsageError` for a public address without a token.
    """
    sources = settings.sources
    if not options.sources:
        sources = (Source(name="street", spec=f"file:{street_path()}" + ("" if options.once else "?loop=1")),)
    folder = find_own_folder(settings) / "demo"
    settings = make_demo_settings(settings, sources=sources, folder=folder, api=_collect_api_changes(options))
    api = settings.api
    if options.host and not (_is_local(options.host) or read_secret(api.token, api.token_file, "api_token")):
        msg = f"{options.host} is reachable from outside"
        raise UsageError(msg, where="--host", remedy="name a file with a token, --token-file FILE")
    return settings


def _collect_api_changes(options: DemoOptions) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if options.host:
        changes["host"] = options.host
    if options.port is not None:
        changes["port"] = options.port
    if options.token is not None or options.token_file is not None:
        changes["token"] = None if options.token is None else SecretStr(options.token)
        changes["token_file"] = options.token_file
    return changes


def _is_local(host: str) -> bool:
    from edge.api.security import is_loopback

    return is_loopback(host)


def _print_address(url: str) -> None:
    """Print the address of the dashboard, with a tunnel for other computers."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    tunnel = f"ssh -L {port}:localhost:{port} {socket.gethostname()}"
    print_text(
        f"Dashboard: {url}" + (f"; from another computer: {tunnel}, then this address there" if _is_local(host) else "")
    )


def _print_events(node: Node) -> None:
    timelines = {stream.name: stream.runner.timeline for stream in node.engine.streams}

    def show(event: dict[str, Any]) -> None:
        data = event["data"]
        timeline = timelines.get(data["source_name"])
        # Before the scene begins, only events that an earlier run left open end.
        if data["phase"] in _PHASES and timeline is not None and timeline.anchored:
            at = datetime.fromisoformat(event["time"].replace("Z", "+00:00"))
            is_pattern = "intervals_ms" in data
            word = "heard" if is_pattern else _PHASES[data["phase"]]
            lasted = f"  {data['duration_s']:.1f} s" if data["phase"] == "end" and not is_pattern else ""
            source = f"{data['source_name']}  " if len(timelines) > 1 else ""
            seconds = (at - timeline.utc(0)).total_seconds()
            print_text(f"{seconds:7.1f} s  {source}{data['label']:9}{word:7} {data['peak_score']:.2f}{lasted}")

    node.web.subscribe_events(show)
