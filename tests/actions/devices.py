"""Simulated devices on MQTT, each as its maker documents it."""

from __future__ import annotations

import json
import threading
import uuid
from typing import TYPE_CHECKING

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.listener import WAIT_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

    from tests.support.broker import Broker

Reports = list[tuple[str, str, bool]]
"""Topic, payload and whether it is retained."""


class Device:
    """A device that obeys commands and reports its state; a context manager."""

    def __init__(
        self, broker: Broker, topic: str, obey: Callable[[str, bool], bool | None], report: Callable[[bool], Reports]
    ) -> None:
        """Take how a payload changes what is on, and what is reported then."""
        self.on, self.commands, self.silent = False, list[str](), False
        self._obey, self._report = obey, report
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, f"thing-{uuid.uuid4()}")
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = lambda _client, _data, message: self._handle_command(message.payload.decode())
        self._client.connect("127.0.0.1", broker.port)

    def __enter__(self) -> Self:
        """Begin to obey."""
        self._client.loop_start()
        assert self._subscribed.wait(WAIT_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()

    def _handle_command(self, payload: str) -> None:
        self.commands.append(payload)
        on = self._obey(payload, self.on)
        if on is not None:
            self.switch(on=on)

    def switch(self, *, on: bool) -> None:
        """Switch it, as by hand, and report."""
        self.on = on
        if not self.silent:
            for topic, payload, retain in self._report(on):
                self._client.publish(topic, payload, qos=1, retain=retain)


def format_state(on: bool) -> str:
    return "ON" if on else "OFF"


def apply_command(payload: str, on: bool) -> bool | None:
    """Return the state after a payload, ON, OFF or TOGGLE in any case."""
    return {"ON": True, "OFF": False, "TOGGLE": not on}.get(payload.upper())


def zigbee2mqtt(broker: Broker, *, retain: bool = True) -> Device:
    """Return a lamp: JSON alone at ``zigbee2mqtt/lamp/set``, its JSON state at ``zigbee2mqtt/lamp``."""

    def obey(payload: str, on: bool) -> bool | None:
        try:
            return apply_command(json.loads(payload).get("state", ""), on)
        except ValueError:
            return None

    def report(on: bool) -> Reports:
        state = {"state": format_state(on), "brightness": 215, "linkquality": 96}
        return [("zigbee2mqtt/lamp", json.dumps(state), retain)]

    return Device(broker, "zigbee2mqtt/lamp/set", obey, report)


def tasmota(broker: Broker) -> Device:
    """Return a plug: a plain payload at ``cmnd/tv/POWER``; it answers twice, and nothing is retained by default."""

    def report(on: bool) -> Reports:
        return [
            ("stat/tv/RESULT", json.dumps({"POWER": format_state(on)}), False),
            ("stat/tv/POWER", format_state(on), False),
        ]

    return Device(broker, "cmnd/tv/POWER", apply_command, report)


def home_assistant(broker: Broker) -> Device:
    """Return a switch with `command_topic` and `state_topic`, and payloads of its own in small letters."""

    def obey(payload: str, on: bool) -> bool | None:
        return {"on": True, "off": False}.get(payload)

    return Device(broker, "home/fan/set", obey, lambda on: [("home/fan", format_state(on).lower(), True)])
