"""Life-cycle of a node: start, stop and reload.

A missing microphone, broker or ffmpeg does not stop a node; it is reported once and tried again.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from edge.errors import Unavailable
from edge.node.stopping import Deadline
from edge.node.web import start_server
from edge.types import SourceState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge.api.server import ApiServer
    from edge.node.active import ActiveSettings
    from edge.node.commands import DetectSwitch
    from edge.node.engine import Engine
    from edge.node.messages import Messages
    from edge.node.outputs import Outputs
    from edge.node.watcher import Watcher
    from edge.node.web import NodeWeb
    from edge.settings.tree import Settings
    from edge.types import ModelInfo

log = logging.getLogger("tocsin.service")

STOP_S = 8.5
"""Longest time to stop a node, even if a part hangs.

With the end of the process it is ten seconds; TimeoutStopSec is longer.
"""
_SOURCES_STOP_S, _ENGINE_STOP_S, _REST_STOP_S = 1.5, 2.5, 4.0  # of these seconds; the history has the remaining ones


class Node:
    """A node with all its parts, made by `edge.node.build.build_node`."""

    def __init__(
        self,
        active: ActiveSettings,
        messages: Messages,
        engine: Engine,
        outputs: Outputs,
        switches: Sequence[DetectSwitch],
        watcher: Watcher,
        web: NodeWeb,
    ) -> None:
        """Take the parts; nothing runs yet."""
        self._active, self._messages = active, messages
        self._engine, self._outputs = engine, outputs
        self._switches, self._watcher = switches, watcher
        self._api: ApiServer | None = None
        self.web = web

    @property
    def name(self) -> str:
        """The node's name in topics and messages."""
        return self._messages.topics.node

    @property
    def model(self) -> ModelInfo:
        """The model in use."""
        return self._messages.model

    @property
    def settings(self) -> Settings:
        """The settings in use."""
        return self._active.settings

    @property
    def engine(self) -> Engine:
        """The engine with its streams."""
        return self._engine

    def start(self) -> None:
        """Start every part, audio before web and broker."""
        outputs = self._outputs
        outputs.states.announce([stream.name for stream in self._engine.streams])
        outputs.recorder.start()
        outputs.reactions.start()
        for stream, switch in zip(self._engine.streams, self._switches, strict=True):
            switch.restore()
            stream.runner.start()
        self._engine.start()
        outputs.publisher.start()
        self._watcher.start()

    def serve_api(self, *, any_port: bool = False) -> str:
        """Start the web server; return its address.

        Raises `Unavailable` if the port is taken, unless `any_port` allows another one.
        """
        api = self.settings.api
        try:
            self._api = start_server(self.web, api)
        except Unavailable as exc:
            if not any_port:
                raise
            log.warning("%s; taking another port", exc)
            self._api = start_server(self.web, api.model_copy(update={"port": 0}))
        return self._api.url

    def stop(self) -> None:
        """Stop every part within `STOP_S`, audio first, and keep every decided event."""
        deadline, outputs = Deadline(STOP_S), self._outputs
        self._watcher.stop()
        self._stop_sources()
        self._engine.stop(_ENGINE_STOP_S)
        writing_s = max(1.0, deadline.left_s() - _REST_STOP_S - 1.0)  # and one second more to abandon it
        deadline.stop_in_parallel({"history": lambda: outputs.recorder.stop(writing_s)}, writing_s + 1.0)
        rest: dict[str, Callable[[], object]] = {"actions": lambda: outputs.reactions.stop(3.0)}
        if self._api:
            rest["web side"] = self._api.stop
        for stream in self._engine.streams:
            outputs.states.publish_source(stream.name, SourceState.OFFLINE)
        rest["broker"] = outputs.publisher.stop
        deadline.stop_in_parallel(rest, _REST_STOP_S)
        deadline.stop_in_parallel({"database": outputs.store.close}, 1.0)

    def _stop_sources(self) -> None:
        sources = Deadline(_SOURCES_STOP_S)
        for stream in self._engine.streams:  # first signal all of them, then wait
            stream.runner.stop(0.0)
        for stream in self._engine.streams:
            stream.runner.stop(sources.left_s())

    def reload(self, settings: Settings) -> list[str]:
        """Apply the live sections of the settings; return those that need a restart.

        Raises `ConfigError` and changes nothing if settings and model do not match.
        """
        rules, restart = self._active.change(settings)

        def on_set() -> None:
            self._active.rules = rules
            self._active.declare(self._outputs.metrics)
            self._outputs.states.set_labels(rules)

        self._engine.set_rules(tuple(rules.values()), self._active.settings.detection.update_s, on_set)
        return restart
