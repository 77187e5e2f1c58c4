"""Runner of actions, each on a thread of its own, which cannot delay audio."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from edge.actions.command import CommandExecutor
from edge.actions.mqtt import MqttExecutor
from edge.actions.webhook import WebhookExecutor
from edge.actions.worker import Worker
from edge.settings.actions import MqttAction, WebhookAction

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge.actions.mqtt import ActionBroker
    from edge.actions.trigger import Executor, Trigger
    from edge.actions.worker import OnResult
    from edge.settings.actions import Action
    from edge.telemetry import Metrics

log = logging.getLogger("tocsin.actions")

_KILL_S = 0.5  # for killed programs to end


class ActionRunner:
    """Runner of actions by name. Thread-safe; no method but `stop` blocks."""

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

        `on_result` is called on the action's thread with its name, the trigger, and the reason of a failure; the reason
        is empty after a success.
        """
        self._actions, self._node, self._broker = dict(actions), node, broker
        self._metrics, self._on_result = metrics, on_result
        self._abort = threading.Event()
        self._workers: dict[str, Worker] = {}

    def start(self) -> None:
        """Follow the devices to toggle, and accept triggers from now on."""
        for name, action in self._actions.items():
            self._workers[name] = Worker(name, self._make_executor(action), self._metrics, self._on_result)

    def _make_executor(self, action: Action) -> Executor:
        if isinstance(action, MqttAction):
            return MqttExecutor(action, self._node, self._broker)
        if isinstance(action, WebhookAction):
            return WebhookExecutor(action, self._node)
        return CommandExecutor(action, self._node, self._abort)

    def run(self, names: Sequence[str], trigger: Trigger) -> None:
        """Queue a trigger for each of the named actions."""
        for name in names:
            self._workers[name].put(trigger)

    def stop(self, timeout_s: float = 3.0) -> None:
        """Wait up to `timeout_s` for running actions; drop queued triggers and log them."""
        deadline_s = time.monotonic() + timeout_s
        for worker in self._workers.values():
            worker.stop()
        for worker in self._workers.values():
            worker.join(deadline_s - time.monotonic())
        self._abort.set()
        deadline_s = time.monotonic() + _KILL_S  # for all together: the waits for hanging actions must not add up
        for name, worker in self._workers.items():
            if not worker.join(deadline_s - time.monotonic()):
                log.warning("action %s: still running when the service stopped", name)
