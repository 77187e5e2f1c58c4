"""Main loop of a service: signals, readiness, reload."""

from __future__ import annotations

import logging
import signal
import time
from typing import TYPE_CHECKING

from edge import systemd
from edge.backoff import Backoff
from edge.errors import Forbidden, TocsinError, Unavailable
from edge.node.build import build_node
from edge.node.signals import Signals

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge.node.node import Node
    from edge.settings.tree import Settings

log = logging.getLogger("tocsin.service")

_WEB_FIRST_S, _WEB_CAP_S = 5.0, 60.0  # between two tries to start the web server


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

    At SIGHUP `reread` returns the new settings. `until_finished` also stops the node once all sources have ended;
    `any_port` uses another port if the configured one is taken; `on_node` gets the node before its start, and `on_url`
    the address of the dashboard once it is available.
    """
    with Signals() as signals:
        node = build_node(settings, state_dir=state_dir, on_finished=signals.wake)
        try:
            if on_node:
                on_node(node)
            node.start()
            model = node.model
            log.info("node %s: model %s %s on %s", node.name, model.id, model.version, model.provider)
            web = _Web(node, any_port=any_port, on_url=on_url)
            web.serve()
            systemd.notify(f"READY=1\nSTATUS={len(node.engine.streams)} sources, model {model.id} {model.version}")
            while not _is_over(node, until_finished=until_finished):
                number = signals.wait(web.wait_s)
                if number == signal.SIGHUP:
                    _reload(node, reread)
                elif number is not None:
                    break
                web.serve()
        finally:
            systemd.notify("STOPPING=1")
            node.stop()
    return 0


def _is_over(node: Node, *, until_finished: bool) -> bool:
    """Return whether a node has finished its work.

    Raises `Unavailable` if a pipe has ended and no other source is left, because only a restart can bring it back.
    Recordings that have ended leave a node that still answers requests.
    """
    if not node.engine.finished:
        return False
    if not until_finished and (lost := [stats.name for stats in node.engine.stats() if stats.lost]):
        msg = "standard input has ended, and no other source is left"
        raise Unavailable(msg, where=f"source {lost[0]}", remedy="start its writer again")
    return until_finished


class _Web:
    """The start of the web server, retried while the node runs."""

    def __init__(self, node: Node, *, any_port: bool, on_url: Callable[[str], None] | None = None) -> None:
        self._node, self._any_port, self._on_url = node, any_port, on_url
        self._served = not node.settings.api.enabled
        self._backoff = Backoff(_WEB_CAP_S, _WEB_FIRST_S)
        self._next_try_s, self._last_problem = 0.0, ""

    @property
    def wait_s(self) -> float | None:
        """Seconds until the next try; None once it runs or if it is disabled."""
        return None if self._served else max(0.0, self._next_try_s - time.monotonic())

    def serve(self) -> None:
        """Try to start the server, if a try is due."""
        if self._served or time.monotonic() < self._next_try_s:
            return
        try:
            url = _serve(self._node, any_port=self._any_port)
        except (Unavailable, Forbidden) as exc:
            self._next_try_s = time.monotonic() + self._backoff.next_s()
            if str(exc) != self._last_problem:
                self._last_problem = str(exc)
                log.warning("%s; the node runs without dashboard and API, and it is tried again", exc)
        else:
            self._served = True
            if self._on_url:
                self._on_url(url)


def _serve(node: Node, *, any_port: bool) -> str:
    from edge.api.security import is_loopback  # noqa: PLC0415 - loads FastAPI, which audio does not wait for

    url = node.serve_api(any_port=any_port)
    wants = "" if is_loopback(node.settings.api.host) else "; requests need 'Authorization: Bearer' with the token"
    log.info("dashboard and API on %s%s", url, wants)
    return url


def _reload(node: Node, reread: Callable[[], Settings]) -> None:
    systemd.notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
    try:
        settings = reread()
        restart = node.reload(settings)
    except TocsinError as exc:
        log.error("configuration not re-read, the old one stays: %s", exc)  # noqa: TRY400 - a mistake of the user
    except Exception:
        log.exception("configuration not re-read, the old one stays")  # a bug must not end the service
    else:
        logging.getLogger("tocsin").setLevel(settings.logging.level.upper())
        log.info("configuration re-read%s", f"; needs a restart: {', '.join(restart)}" if restart else "")
    systemd.notify("READY=1")
