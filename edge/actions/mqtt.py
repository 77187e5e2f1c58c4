"""MQTT actions: a message at the node's broker, for Home Assistant, Tasmota or Zigbee2MQTT."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from edge.actions.toggle import ToggleState
from edge.actions.trigger import Executor, Trigger, fill
from edge.errors import ActionFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.settings.actions import MqttAction

_ANSWER_S = 2.0  # beyond `expire_s`, for the result from the publisher


class ActionBroker(Protocol):
    """The part of the publisher that actions need; no method blocks."""

    def publish_expiring(
        self, topic: str, payload: bytes, *, qos: int, retain: bool, expire_s: float, on_done: Callable[[str], None]
    ) -> None:
        """Publish within `expire_s`; `on_done` gets the reason of a failure, or nothing."""

    def follow(self, topic: str, callback: Callable[[bytes], None]) -> None:
        """Call `callback` with every payload of a topic, retained ones included."""


class MqttExecutor(Executor):
    """Executor that publishes one message; the publisher's queue waits, so there is one try."""

    tries = 1

    def __init__(self, action: MqttAction, node: str, broker: ActionBroker) -> None:
        """Take the action; follow the state of the device if the action toggles it."""
        self.expire_s = action.expire_s
        self._action, self._node, self._broker = action, node, broker
        self._toggle = ToggleState(action.toggle) if action.toggle else None
        if action.toggle and self._toggle:
            broker.follow(action.toggle.state_topic, self._toggle.update)

    def __call__(self, trigger: Trigger, left_s: float) -> None:
        """Publish the message and wait for the broker's acknowledgement; raises `ActionFailed`."""
        toggle = self._toggle
        on = toggle.choose() if toggle else False
        text = toggle.payload(on=on) if toggle else self._action.payload
        answers: list[str] = []
        answered = threading.Event()

        def on_done(why: str) -> None:
            if toggle and not why:
                toggle.confirm(on=on)  # on the publisher's thread, so before any state that arrives later
            answers.append(why)
            answered.set()

        self._broker.publish_expiring(
            self._action.topic,
            fill(text, trigger, self._node).encode(),
            qos=self._action.qos,
            retain=self._action.retain,
            expire_s=left_s,
            on_done=on_done,
        )
        answered.wait(left_s + _ANSWER_S)
        why = answers[0] if answers else f"the broker did not answer within {left_s:.0f} s"
        if why:
            raise ActionFailed(why, again=False)
