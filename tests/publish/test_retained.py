"""Retained topics at the broker: the current ones and no others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from edge.errors import StorageError
from edge.node.retained import States
from edge.publish.mailbox import Mailbox
from edge.publish.mqtt import MqttPublisher
from edge.publish.retained import RetainedTopics
from edge.publish.topics import Topics
from edge.settings.tree import Settings
from tests.support.listener import Listener, until

if TYPE_CHECKING:
    from edge.store import Store
    from tests.support.broker import Broker

pytestmark = pytest.mark.broker
LABELS = ("siren", "horn")
FIRST: dict[str, Any] = {"homeassistant": {"enabled": True}, "away": {"enabled": True}}


class Run:
    """One run of a node's states."""

    def __init__(
        self,
        store: Store,
        port: int,
        *,
        node: str = "n1",
        sources: tuple[str, ...] = ("mic", "door"),
        labels: tuple[str, ...] = LABELS,
        **values: Any,
    ) -> None:
        mqtt = {"port": port, **values.pop("mqtt", {})}
        settings = Settings.model_validate({**FIRST, "mqtt": mqtt, **values})
        self.publisher = MqttPublisher(settings.mqtt, node, store)
        self.states = States(self.publisher, settings, Topics(settings.mqtt.base, node), labels, dict)
        self.sources = sources
        self.states.announce(sources)
        for source in sources:
            self.states.publish_detection(source, enabled=True)
        if settings.away.enabled:
            self.publisher.set_state(f"{settings.mqtt.base}/{node}/away/state", "ON")
        self.publisher.start()

    def end(self) -> None:
        """Stop once everything has arrived."""
        until(lambda: self.publisher.connected)
        self.publisher.stop(5.0)


def read_retained(broker: Broker) -> dict[str, str]:
    """Return the retained messages that a new subscriber gets."""
    heard = Listener(broker)
    heard.publish("end", "")
    heard.wait(lambda heard: heard.last("end") is not None)
    heard.close()
    return {message.topic: message.payload.decode() for message in heard.messages if message.retain}


@pytest.fixture
def announced(store: Store, broker: Broker) -> dict[str, str]:
    """Announce everything in a first run; return the retained messages."""
    Run(store, broker.port).end()
    return read_retained(broker)


def test_a_first_run_is_known_by_what_it_is(announced: dict[str, str]) -> None:
    """The broker has the topics of node and sources, and three devices."""
    assert len([topic for topic in announced if topic.startswith("homeassistant/device/tocsin_n1")]) == 3
    assert announced["tocsin/n1/away/state"] == "ON"
    assert announced["tocsin/n1/door/sound/horn"] == "OFF"


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        ({"sources": ("mic",)}, ["tocsin/n1/door/", "homeassistant/device/tocsin_n1_door/"]),
        ({"sources": ("mic", "gate")}, ["tocsin/n1/door/", "homeassistant/device/tocsin_n1_door/"]),
        ({"labels": ("siren",)}, ["tocsin/n1/mic/sound/horn", "tocsin/n1/door/sound/horn"]),
        ({"node": "n2"}, ["tocsin/n1/", "homeassistant/device/tocsin_n1"]),
        ({"mqtt": {"base": "site/tocsin"}}, ["tocsin/n1/", "homeassistant/device/tocsin_n1"]),
        ({"homeassistant": {"enabled": False}}, ["homeassistant/"]),
        ({"homeassistant": {"enabled": True, "prefix": "ha"}}, ["homeassistant/"]),
        ({"away": {"enabled": False}}, ["tocsin/n1/away/"]),
        ({}, []),
    ],
)
def test_what_is_not_wanted_any_more_is_cleared(
    changes: dict[str, Any], gone: list[str], announced: dict[str, str], store: Store, broker: Broker
) -> None:
    """Topics of other nodes stay, and a third run changes nothing."""
    heard = Listener(broker, "other")
    heard.publish("tocsin/other/status", "online", retain=True)
    heard.close()
    for _ in range(2):
        Run(store, broker.port, **changes).end()
        now = read_retained(broker)
        expected = {topic for topic in announced if not topic.startswith(tuple(gone))} if gone else set(announced)
        assert expected <= set(now)
        assert not [topic for topic in now if topic.startswith(tuple(gone)) and gone]
        assert now["tocsin/other/status"] == "online"
    assert "" not in now.values()


def test_a_topic_not_cleared_in_time_is_cleared_later(announced: dict[str, str], store: Store, broker: Broker) -> None:
    """The broker was unavailable while the renamed node ran, and that was killed."""
    broker.stop()
    away = Run(store, broker.port, node="n2")
    away.publisher.stop(0.0)
    broker.start()
    Run(store, broker.port, node="n3").end()
    assert not [topic for topic in read_retained(broker) if "n1" in topic or "n2" in topic]


def test_a_label_that_goes_and_comes_while_it_runs(announced: dict[str, str], store: Store, broker: Broker) -> None:
    """As by a reload: its topic is cleared, Home Assistant removes the part, and both come back."""
    heard = Listener(broker)
    run = Run(store, broker.port)
    device = "homeassistant/device/tocsin_n1_mic/config"

    def parts() -> dict[str, Any]:
        components: dict[str, Any] = json.loads(heard.last(device) or "{}").get("components", {})
        return components

    run.states.set_labels(("siren", "clap"))
    heard.wait(lambda heard: heard.last("tocsin/n1/mic/sound/horn") == "" and "clap" in parts())
    assert parts()["horn"] == {"platform": "binary_sensor"}
    heard.wait(lambda heard: heard.last("tocsin/n1/mic/sound/clap") == "OFF")
    run.states.set_labels(LABELS)
    heard.wait(lambda heard: heard.last("tocsin/n1/mic/sound/horn") == "OFF" and parts()["horn"].get("name") == "Horn")
    run.end()
    assert "tocsin/n1/mic/sound/clap" not in read_retained(broker)
    heard.close()


@pytest.mark.parametrize("deleted", [True, False])
def test_home_assistant_gets_discovery_again_after_its_start(deleted: bool, store: Store, broker: Broker) -> None:
    """After its birth message a device that was deleted there comes back."""
    run = Run(store, broker.port)
    until(lambda: run.publisher.connected)
    topic = "homeassistant/device/tocsin_n1_mic/config"
    heard = Listener(broker)
    heard.wait(lambda heard: bool(heard.last(topic)))
    if deleted:
        heard.publish(topic, "", retain=True)
        heard.wait(lambda heard: heard.last(topic) == "")
    count = len([message for message in heard.messages if message.topic == topic])
    heard.publish("homeassistant/status", "offline")
    heard.publish("homeassistant/status", "online")
    heard.wait(lambda heard: len([message for message in heard.messages if message.topic == topic]) == count + 1)
    assert json.loads(heard.last(topic) or "")["components"]["siren"]
    run.end()
    heard.close()
    assert topic in read_retained(broker)


def test_a_node_without_a_registry_clears_what_earlier_versions_announced(store: Store, broker: Broker) -> None:
    """Those are the ids that were not unique, and a state of the away mode."""
    old = "homeassistant/device/tocsin_street_12_mic/config"
    heard = Listener(broker, "other")
    for topic in (old, "tocsin/street_12/away/state"):
        heard.publish(topic, "{}", retain=True)
    heard.close()
    Run(store, broker.port, node="street_12", sources=("mic",), away={"enabled": False}).end()
    topics = set(read_retained(broker))
    assert not topics & {old, "tocsin/street_12/away/state"}
    assert "homeassistant/device/tocsin_streetU12_mic/config" in topics


@pytest.mark.parametrize("text", ["[", "[1]", '{"a": 1}', '"x"', "null", "[" * 100_000])
def test_a_damaged_registry_is_replaced(text: str, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and nothing fails."""
    store.state_set("retained", text)
    mail = Mailbox()
    retained = RetainedTopics(store, mail)
    assert retained.replace({"a": {}}) == {"a": {}}
    retained.save()
    assert "damaged" in caplog.text
    assert json.loads(store.state_get("retained") or "") == {"a": {}}
    mail.close()


def test_a_disk_without_room_costs_the_memory_of_it_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The node continues and logs it."""

    def full(key: str, value: str) -> None:
        msg = "the disk is full"
        raise StorageError(msg)

    mail = Mailbox()
    monkeypatch.setattr(store, "state_set", full)
    retained = RetainedTopics(store, mail)
    assert retained.replace({"a": {}}) == {"a": {}}
    for _ in range(3):
        retained.save()
    assert len(caplog.records) == 1
    assert "cannot be saved: the disk is full" in caplog.text
    mail.close()


@pytest.fixture
def state_writes(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count the writes of states."""
    writes: list[str] = []
    write = store.state_set

    def count(key: str, value: str) -> None:
        writes.append(key)
        write(key, value)

    monkeypatch.setattr(store, "state_set", count)
    return writes


def test_the_registry_is_written_when_it_changes_alone(store: Store, broker: Broker, state_writes: list[str]) -> None:
    """An unchanged start writes nothing; one that clears many topics writes twice."""
    Run(store, broker.port).end()
    assert state_writes == ["retained"]
    Run(store, broker.port).end()
    assert state_writes == ["retained"]
    Run(store, broker.port, node="n2").end()
    assert state_writes == ["retained"] * 3
