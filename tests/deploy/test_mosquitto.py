"""The broker's example configuration with its recommended access rules."""

from __future__ import annotations

import re
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from edge.node.retained import States
from edge.publish.mqtt import MqttPublisher
from edge.publish.topics import Topics
from edge.settings.tree import Settings
from edge.store import Store
from tests.support.listener import WAIT_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.broker

EXAMPLE = Path(__file__).parents[2] / "deploy" / "mosquitto.conf"
USERS = ("street-12", "street-13", "homeassistant", "dashboard")
DENIED = ReasonCode(PacketTypes.PUBACK, "Not authorized")


@pytest.fixture
def port(tmp_path: Path, free_port: int) -> Iterator[int]:
    """Run mosquitto with the example, its rules uncommented; each user's password is the name."""
    text = EXAMPLE.read_text(encoding="utf-8")
    rules = re.findall(r"^#   ((?:pattern|topic|user) .*)$", text, flags=re.MULTILINE)
    (tmp_path / "acl").write_text("\n".join(rules) + "\n", encoding="utf-8")
    passwords = tmp_path / "passwd"
    passwords.touch(mode=0o644)
    for user in USERS:
        subprocess.run(["mosquitto_passwd", "-b", passwords, user, user], check=True, capture_output=True)
    text = text.replace("#acl_file /etc/mosquitto/acl", f"acl_file {tmp_path}/acl")
    text = text.replace("\npassword_file /etc/mosquitto/passwd", f"\npassword_file {passwords}")
    text = re.sub(r"^persistence_location .*$", f"persistence_location {tmp_path}/", text, flags=re.MULTILINE)
    config = tmp_path / "mosquitto.conf"
    config.write_text(text.replace("1883 127", f"{free_port} 127") + "user root\n", encoding="utf-8")
    with subprocess.Popen(["mosquitto", "-c", config, "-v"], stderr=subprocess.PIPE, text=True) as broker:
        assert broker.stderr
        assert any("running" in line for line in broker.stderr), "mosquitto did not start"
        drain = threading.Thread(target=broker.stderr.read, daemon=True)
        drain.start()
        yield free_port
        broker.terminate()
        drain.join(WAIT_S)


class User:
    """A client with MQTT 5, which reports denied messages."""

    def __init__(self, name: str, port: int, *topics: str) -> None:
        self.heard: dict[str, bytes] = {}
        self._answers: dict[int, ReasonCode] = {}
        self._client = paho.Client(CallbackAPIVersion.VERSION2, f"{name}-test", protocol=paho.MQTTv5)
        self._client.username_pw_set(name, name)
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        until(self._client.is_connected)
        for topic in topics:
            self._client.subscribe(topic, qos=1)

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        self.heard[message.topic] = bytes(message.payload)

    def _on_publish(self, _client: paho.Client, _data: object, mid: int, reason: ReasonCode, _properties: Any) -> None:
        self._answers[mid] = reason

    def may_publish(self, topic: str, payload: str = "ON") -> bool:
        """Publish, and return whether the broker accepted it."""
        mid = self._client.publish(topic, payload, qos=1).mid
        until(lambda: mid in self._answers)
        return bool(self._answers[mid] != DENIED)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def test_every_user_has_its_own_rights_alone(tmp_path: Path, port: int) -> None:
    """Home Assistant has discovery, states and commands; a node writes only below its name, the dashboard nowhere."""
    values = {"port": port, "version": "5", "username": "street-12", "password": "street-12"}
    settings = Settings.model_validate(
        {"mqtt": values, "homeassistant": {"enabled": True}, "away": {"enabled": True}, "node": {"id": "street-12"}}
    )
    store = Store(tmp_path / "state", retention_days=1, max_events=100, outbox_max=100, clips_max_mb=1)
    commands: list[tuple[str, str]] = []
    publisher = MqttPublisher(
        settings.mqtt, "street-12", store, on_command=lambda *told: commands.append(told), password="street-12"
    )
    states = States(publisher, settings, Topics("tocsin", "street-12"), ["siren"], dict)
    states.announce(["mic"])
    publisher.start()
    assistant = User("homeassistant", port, "homeassistant/#", "tocsin/#")
    device = "homeassistant/device/tocsin_street-12_mic/config"
    until(lambda: device in assistant.heard and "tocsin/street-12/mic/sound/siren" in assistant.heard)
    for suffix in ("away/set", "mic/detect/set"):
        assert assistant.may_publish(f"tocsin/street-12/{suffix}")
    until(lambda: {suffix for suffix, _ in commands} == {"away/set", "mic/detect/set"})
    del assistant.heard[device]
    assert assistant.may_publish("homeassistant/status", "online")
    until(lambda: device in assistant.heard)
    assert publisher.refused == {}
    dashboard = User("dashboard", port, "tocsin/#")
    until(lambda: dashboard.heard.get("tocsin/street-12/status") == b"online")
    other = User("street-13", port, "tocsin/#", "homeassistant/device/#")
    for user, topic in [
        (assistant, "tocsin/street-12/mic/event"),
        (assistant, "tocsin/street-12/status"),
        (dashboard, "tocsin/street-12/away/set"),
        (other, "tocsin/street-12/status"),
        (other, "tocsin/street-12/away/set"),
        (other, "zigbee2mqtt/lamp/set"),
        (other, "homeassistant/status"),
    ]:
        assert not user.may_publish(topic), topic
    assert other.may_publish("tocsin/street-13/mic/event")
    until(lambda: "tocsin/street-13/mic/event" in dashboard.heard)
    assert other.heard == {}
    publisher.stop()
    store.close()
    for user in (assistant, dashboard, other):
        user.close()


def test_a_message_too_large_is_not_delivered(port: int) -> None:
    """The broker ends the connection of its sender."""
    listening = User("homeassistant", port, "tocsin/#")
    sending = User("street-12", port)
    lost = threading.Event()
    sending._client.on_disconnect = lambda *_: lost.set()
    sending._client.publish("tocsin/street-12/mic/level", bytes(1 << 20), qos=0)
    assert lost.wait(WAIT_S)
    assert "tocsin/street-12/mic/level" not in listening.heard
    for user in (listening, sending):
        user.close()
