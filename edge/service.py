"""Run a node until it is told to stop: signals, readiness, reload."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

from edge import systemd
from edge.configfile import load_settings
from edge.errors import TocsinError, Unavailable
from edge.node import Node

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typing_extensions import Self

    from edge.settings import Settings

log = logging.getLogger("tocsin.service")

_FINISHED_POLL_S = 0.2


class _Signals:
    """Turns SIGTERM, SIGINT and SIGHUP into flags while it is entered; only the main thread may."""

    def __init__(self) -> None:
        self.stop, self.reload, self.any = threading.Event(), threading.Event(), threading.Event()

    def __enter__(self) -> Self:
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        self._previous = {number: signal.signal(number, self._on_signal) for number in numbers}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: object) -> None:
        (self.reload if number == signal.SIGHUP else self.stop).set()
        self.any.set()


def run(
    settings: Settings,
    config_path: Path | None = None,
    *,
    state_dir: Path,
    until_finished: bool = False,
    any_port: bool = False,
    on_node: Callable[[Node], None] | None = None,
) -> int:
    """Run a node until SIGTERM or SIGINT; return the exit code.

    SIGHUP re-reads the configuration from `config_path`. `until_finished` also stops the node once every source came
    to its end; `any_port` takes another port when the configured one is taken; `on_node` is given the node first.
    """
    with _Signals() as signals:
        node = Node(settings, state_dir=state_dir)
        try:
            if on_node:
                on_node(node)
            node.start()
            bundle = node.classifier.bundle
            log.info("node %s: model %s %s on %s", node.name, bundle.id, bundle.version, node.classifier.provider)
            if settings.api.enabled:
                _serve(node, any_port=any_port)
            systemd.notify(f"READY=1\nSTATUS={len(node.streams)} sources, model {bundle.id} {bundle.version}")
            while not signals.stop.is_set():
                if until_finished and node.engine.wait_finished(0.0):
                    break
                signals.any.wait(_FINISHED_POLL_S if until_finished else None)
                signals.any.clear()
                if signals.reload.is_set():
                    signals.reload.clear()
                    _reload(node, config_path)
        finally:
            systemd.notify("STOPPING=1")
            node.stop()
    return 0


def _serve(node: Node, *, any_port: bool) -> None:
    try:
        url = node.serve_api()
    except Unavailable as exc:
        if not any_port:
            raise
        log.warning("%s; taking another port", exc)
        api = node.settings.api.model_copy(update={"port": 0})
        node.settings = node.settings.model_copy(update={"api": api})
        url = node.serve_api()
    log.info("dashboard and API on %s", url)


def _reload(node: Node, config_path: Path | None) -> None:
    systemd.notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
    try:
        settings = load_settings(config_path, environ=os.environ)
        restart = node.reload(settings)
    except TocsinError as exc:
        log.error("configuration not re-read, the old one stays: %s", exc)  # noqa: TRY400 - a user's fault
    else:
        logging.getLogger("tocsin").setLevel(settings.logging.level.upper())
        log.info("configuration re-read%s", f"; needs a restart: {', '.join(restart)}" if restart else "")
    systemd.notify("READY=1")
