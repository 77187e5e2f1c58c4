"""Publishing a message at the node's broker, so that Home Assistant, Tasmota or Zigbee2MQTT switches something."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from edge.actions.occasion import Attempt, Occasion, fill
from edge.actions.toggle import Follower
from edge.errors import ActionFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.settings.actions import MqttAction

_ANSWER_S = 2.0  # more than `expire_s` for the publisher to say what became of a message


class ActionBroker(Protocol):
    """The part of the publisher that actions need; no method waits."""

    def publish_soon(
        self, topic: str, payload: bytes, *, qos: int, retain: bool, expire_s: float, on_done: Callable[[str], None]
    ) -> None:
        """Publish within `expire_s` or not at all; `on_done` is told nothing when it arrived, or why it did not."""

    def follow(self, topic: str, callback: Callable[[bytes], None]) -> None:
        """Have `callback` called with every payload of a topic, retained ones included."""


class MqttAttempt(Attempt):
    """One message for an occasion. The broker's queue does the waiting, so one try is all there is."""

    tries = 1

    def __init__(self, action: MqttAction, node: str, broker: ActionBroker) -> None:
        """Follow the thing's state from now on, where it is to be toggled."""
        self.expire_s = action.expire_s
        self._action, self._node, self._broker = action, node, broker
        self._follower = Follower(action.toggle) if action.toggle else None
        if action.toggle and self._follower:
            broker.follow(action.toggle.state_topic, self._follower.heard)

    def __call__(self, occasion: Occasion, left_s: float) -> None:
        """Publish, and wait until the broker has it; raises `ActionFailed`."""
        follower = self._follower
        on = follower.wanted() if follower else False
        text = follower.payload(on=on) if follower else self._action.payload
        answers: list[str] = []
        answered = threading.Event()

        def on_done(why: str) -> None:
            if follower and not why:
                follower.delivered(on=on)  # here, on the broker's thread: before any state that comes after it
            answers.append(why)
            answered.set()

        self._broker.publish_soon(
            self._action.topic,
            fill(text, occasion, self._node).encode(),
            qos=self._action.qos,
            retain=self._action.retain,
            expire_s=left_s,
            on_done=on_done,
        )
        answered.wait(left_s + _ANSWER_S)
        why = answers[0] if answers else f"the broker did not answer within {left_s:.0f} s"
        if why:
            raise ActionFailed(why, again=False)
