"""Carries out the actions of patterns, each on a thread of its own, so that nothing of it can delay audio."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from edge.actions.command import CommandAttempt
from edge.actions.mqtt import MqttAttempt
from edge.actions.webhook import WebhookAttempt
from edge.actions.worker import Worker
from edge.settings.actions import MqttAction, WebhookAction

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge.actions.mqtt import ActionBroker
    from edge.actions.occasion import Attempt, Occasion
    from edge.actions.worker import OnResult
    from edge.settings.actions import Action
    from edge.telemetry import Metrics

log = logging.getLogger("tocsin.actions")

_KILL_S = 0.5  # for programs to be gone


class ActionRunner:
    """Starts actions by name and says what became of them. Thread-safe; no method but `stop` waits."""

    def __init__(
        self,
        actions: Mapping[str, Action],
        *,
        node: str,
        broker: ActionBroker,
        metrics: Metrics,
        on_result: OnResult | None = None,
    ) -> None:
        """Take the actions by name, and the publisher of this node.

        `on_result` is told, on the action's thread, its name, the occasion, and why it was given up: nothing where it
        was carried out.
        """
        self._actions, self._node, self._broker = dict(actions), node, broker
        self._metrics, self._on_result = metrics, on_result
        self._abort = threading.Event()
        self._workers: dict[str, Worker] = {}

    def start(self) -> None:
        """Begin to follow what is to be toggled, and take occasions from now on."""
        for name, action in self._actions.items():
            self._workers[name] = Worker(name, self._attempt(action), self._metrics, self._on_result)

    def _attempt(self, action: Action) -> Attempt:
        if isinstance(action, MqttAction):
            return MqttAttempt(action, self._node, self._broker)
        if isinstance(action, WebhookAction):
            return WebhookAttempt(action, self._node)
        return CommandAttempt(action, self._node, self._abort)

    def trigger(self, names: Sequence[str], occasion: Occasion) -> None:
        """Have each of the named actions carried out; returns at once."""
        for name in names:
            self._workers[name].put(occasion)

    def stop(self, timeout_s: float = 3.0) -> None:
        """Let what is being tried end within `timeout_s`; what waits is dropped and said."""
        deadline_s = time.monotonic() + timeout_s
        for worker in self._workers.values():
            worker.stop()
        for worker in self._workers.values():
            worker.join(deadline_s - time.monotonic())
        self._abort.set()
        deadline_s = time.monotonic() + _KILL_S  # for all of them: those that hang must not add up
        for name, worker in self._workers.items():
            if not worker.join(deadline_s - time.monotonic()):
                log.warning("action %s: still under way when the service stopped", name)
