"""Run a node until it is told to stop: signals, readiness, reload."""

from __future__ import annotations

import logging
import queue
import signal
import time
from typing import TYPE_CHECKING

from edge import systemd
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
    """Collects SIGTERM, SIGINT and SIGHUP while it is entered; only the main thread may."""

    def __init__(self) -> None:
        # A handler may interrupt anything, also an Event in the act of being set; this queue is made for that.
        self._arrived: queue.SimpleQueue[int] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        self._previous = {number: signal.signal(number, self._on_signal) for number in numbers}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: object) -> None:
        self._arrived.put(number)

    def wait(self, timeout_s: float | None) -> int | None:
        """Return the next signal; None when there is none within `timeout_s`."""
        try:
            return self._arrived.get(timeout=timeout_s)
        except queue.Empty:
            return None


def run(
    settings: Settings,
    *,
    state_dir: Path,
    reread: Callable[[], Settings],
    until_finished: bool = False,
    any_port: bool = False,
    on_node: Callable[[Node], None] | None = None,
    on_url: Callable[[str], None] | None = None,
) -> int:
    """Run a node until SIGTERM or SIGINT; return the exit code.

    At SIGHUP `reread` gives the settings anew. `until_finished` also stops the node once every source came
    to its end; `any_port` takes another port when the configured one is taken; `on_node` is given the node first, and
    `on_url` the address of the dashboard as soon as it is there.
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
                url = _serve(node, any_port=any_port)
                if on_url:
                    on_url(url)
            systemd.notify(f"READY=1\nSTATUS={len(node.streams)} sources, model {bundle.id} {bundle.version}")
            while not (until_finished and node.engine.wait_finished(0.0)):
                number = signals.wait(_FINISHED_POLL_S if until_finished else None)
                if number == signal.SIGHUP:
                    _reload(node, reread)
                elif number is not None:
                    break
        finally:
            systemd.notify("STOPPING=1")
            node.stop()
    return 0


def _serve(node: Node, *, any_port: bool) -> str:
    from edge.api.security import is_loopback  # noqa: PLC0415 - brings FastAPI, which audio does not wait for

    try:
        url = node.serve_api()
    except Unavailable as exc:
        if not any_port:
            raise
        log.warning("%s; taking another port", exc)
        api = node.settings.api.model_copy(update={"port": 0})
        node.settings = node.settings.model_copy(update={"api": api})
        url = node.serve_api()
    wants = "" if is_loopback(node.settings.api.host) else "; requests need 'Authorization: Bearer' with the token"
    log.info("dashboard and API on %s%s", url, wants)
    return url


def _reload(node: Node, reread: Callable[[], Settings]) -> None:
    systemd.notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
    try:
        settings = reread()
        restart = node.reload(settings)
    except TocsinError as exc:
        log.error("configuration not re-read, the old one stays: %s", exc)  # noqa: TRY400 - a user's fault
    else:
        logging.getLogger("tocsin").setLevel(settings.logging.level.upper())
        log.info("configuration re-read%s", f"; needs a restart: {', '.join(restart)}" if restart else "")
    systemd.notify("READY=1")
