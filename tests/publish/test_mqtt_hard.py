"""The publisher under faults: other threads, access rules, failing commands."""

from __future__ import annotations

import socket
import struct
import threading
import time
from typing import TYPE_CHECKING

import pytest

from edge.errors import StorageError
from edge.publish import broker as words
from edge.publish import refusals
from edge.publish.client import Client
from edge.publish.mqtt import MqttPublisher
from edge.settings.tree import Mqtt
from tests.publish.conftest import open_store, record
from tests.support.listener import Listener, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge.store import Store
    from tests.support.broker import Broker

pytestmark = pytest.mark.broker
COUNT = 400


@pytest.fixture
def publisher(store: Store, broker: Broker) -> Iterator[MqttPublisher]:
    running = MqttPublisher(Mqtt(port=broker.port, version="5"), "lamp", store)
    running.start()
    yield running
    running.stop(0.5)


def sequences(heard: Listener) -> list[int]:
    """Return the sequences of different events in the order of their first arrival."""
    return list(dict.fromkeys(int(event["sequence"]) for event in heard.events()))


def test_threads_that_publish_at_once_neither_block_each_other_nor_change_the_order(
    store: Store, listener: Listener, publisher: MqttPublisher
) -> None:
    """Events come from one thread, states and levels from another, answers from the broker, all at the same time."""
    until(lambda: publisher.connected)
    recorded = threading.Event()

    def chatter() -> None:
        count = 0
        while not recorded.is_set():
            count += 1
            publisher.set_state(f"tocsin/lamp/mic/sound/{count % 7}", str(count))
            publisher.publish_volatile("tocsin/lamp/mic/level", {"count": count})
            time.sleep(0.0005)

    other = threading.Thread(target=chatter)
    other.start()
    for number in range(COUNT):
        record(store, number)
        publisher.wake()
    recorded.set()
    other.join()
    listener.wait(lambda heard: len(heard.events()) >= COUNT)
    assert sequences(listener) == list(range(1, COUNT + 1))
    until(lambda: store.outbox_stats()[0] == 0)


def test_a_broker_that_comes_and_goes_changes_no_order(
    store: Store, broker: Broker, listener: Listener, publisher: MqttPublisher
) -> None:
    """Cut in the middle of a full window, twice."""
    for number in range(COUNT):
        record(store, number)
        publisher.wake()
        if number in (COUNT // 3, COUNT // 2):
            broker.stop()
            broker.start()
    listener.wait(lambda heard: len(sequences(heard)) == COUNT)
    assert sequences(listener) == list(range(1, COUNT + 1))
    until(lambda: store.outbox_stats()[0] == 0)


def test_a_command_that_fails_is_logged_and_events_go_on(
    store: Store, broker: Broker, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk refuses to save a state; that must not end delivery."""

    def full(suffix: str, payload: str) -> None:
        msg = "the disk is full"
        raise StorageError(msg)

    publisher = MqttPublisher(Mqtt(port=broker.port), "lamp", store, on_command=full)
    publisher.start()
    listener.wait(lambda heard: heard.last("tocsin/lamp/status") == "online")
    listener.publish("tocsin/lamp/mic/detect/set", "ON")
    until(lambda: "the command on tocsin/lamp/mic/detect/set failed" in caplog.text)
    record(store, 1)
    publisher.wake()
    listener.wait(lambda heard: len(heard.events()) == 1)
    publisher.stop()


def test_events_that_the_access_rules_refuse_wait_and_arrive_in_order_once_allowed(
    store: Store, listener: Listener, broker: Broker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An MQTT 5 acknowledgement with a failure code is a refusal, not a delivery."""
    monkeypatch.setattr(refusals, "PAUSE_S", 0.2)
    broker.allow("topic read #\ntopic write tocsin/lamp/status\n")
    publisher = MqttPublisher(Mqtt(port=broker.port, version="5"), "lamp", store)
    publisher.start()
    for number in range(5):
        record(store, number)
        publisher.wake()
    until(lambda: "the broker refused an event, which waits: Not authorized" in caplog.text)
    assert store.outbox_stats()[0] == 5
    broker.allow("topic readwrite #\n")
    until(lambda: store.outbox_stats()[0] == 0)
    listener.wait(lambda heard: len(sequences(heard)) == 5)
    assert sequences(listener) == [1, 2, 3, 4, 5]
    publisher.stop()


def test_a_source_that_the_access_rules_refuse_does_not_hold_up_another(
    store: Store, listener: Listener, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its events wait and follow in order once they are allowed; those of the other source arrive meanwhile."""
    monkeypatch.setattr(refusals, "PAUSE_S", 0.5)
    broker.allow("topic read #\ntopic write tocsin/lamp/status\ntopic write tocsin/lamp/a/event\n")
    publisher = MqttPublisher(Mqtt(port=broker.port, version="5"), "lamp", store)
    publisher.start()
    for number in range(120):
        record(store, number, topic=f"tocsin/lamp/{'ab'[number % 2]}/event")
        publisher.wake()
    listener.wait(lambda heard: len(sequences(heard)) == 60)
    assert sequences(listener) == list(range(1, 121, 2))
    until(lambda: list(publisher.refused) == ["tocsin/lamp/b/event"])
    until(lambda: store.outbox_stats()[0] == 60)
    broker.allow("topic readwrite #\n")
    until(lambda: store.outbox_stats()[0] == 0)
    listener.wait(lambda heard: len(sequences(heard)) == 120)
    assert sequences(listener)[60:] == list(range(2, 121, 2))
    assert publisher.refused == {}
    publisher.stop()


@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_states_that_end_the_connection_do_not_block_events(
    version: str, store: Store, listener: Listener, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    """This broker does so if its access rules forbid discovery; it answers first, and the other states arrive."""
    broker.allow("topic read #\ntopic write tocsin/lamp/#\n")
    publisher = MqttPublisher(Mqtt.model_validate({"port": broker.port, "version": version}), "lamp", store)
    publisher._backoff._draw = lambda _low, _high: 0.05
    for topic in ("tocsin/lamp/info", "homeassistant/device/lamp/config", "tocsin/lamp/mic/status"):
        publisher.set_state(topic, "{}")
    publisher.start()
    for number in range(5):
        record(store, number)
        publisher.wake()
    listener.wait(lambda heard: len(sequences(heard)) == 5)
    listener.wait(lambda heard: heard.last("tocsin/lamp/status") == "online")
    assert listener.last("tocsin/lamp/info") == listener.last("tocsin/lamp/mic/status") == "{}"
    assert caplog.text.count("is withheld") == 1
    assert "homeassistant/device/lamp/config, which is withheld" in caplog.text
    publisher.stop()


def test_all_that_waits_goes_before_the_last_word(store: Store, listener: Listener, publisher: MqttPublisher) -> None:
    """A clean stop delivers all messages and then publishes `stopped`."""
    until(lambda: publisher.connected)
    for number in range(100):
        record(store, number)
    publisher.wake()
    publisher.stop(10.0)
    listener.wait(lambda heard: heard.last("tocsin/lamp/status") == "stopped")
    topics = [message.topic for message in listener.messages]
    assert topics.count("tocsin/lamp/mic/event") == 100
    assert topics[-1] == "tocsin/lamp/status"
    assert store.outbox_stats()[0] == 0


def test_a_port_without_mqtt_is_reported_with_a_remedy(store: Store) -> None:
    """As with TLS left out: the connection is ended without a reason, and the error names the settings to check."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        publisher = MqttPublisher(Mqtt(port=other.getsockname()[1]), "lamp", store)
        publisher.start()
        other.accept()[0].close()
        until(lambda: bool(publisher.last_error))
        assert "ended the connection without an answer; check mqtt.port, mqtt.tls" in publisher.last_error
        assert not publisher.connected
        publisher.stop(0.1)


@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_two_nodes_of_one_name_report_each_other_and_lose_nothing(
    version: str, tmp_path: Path, store: Store, broker: Broker, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    """The broker ends the older connection without a reason; the log does not fill with it."""
    other = open_store(tmp_path / "other")
    both = [
        MqttPublisher(Mqtt.model_validate({"port": broker.port, "version": version}), "lamp", each)
        for each in (store, other)
    ]
    for publisher in both:
        publisher._backoff._draw = lambda _low, _high: 0.05
        publisher.start()
    hint = "perhaps another client is called 'tocsin-lamp'"
    until(lambda: caplog.text.count(hint) == 2)
    for each in (store, other):
        for number in range(10):
            record(each, number)
    listener.wait(lambda heard: len({event["id"] for event in heard.events()}) == 20)
    for publisher in both:
        publisher.stop(0.5)
    other.close()
    assert len(caplog.records) <= 4, "each says the first loss, and the suspicion"


@pytest.mark.parametrize(("lasts_s", "rival"), [(5.0, True), (15.5, True), (31.0, True), (50.0, False)])
def test_a_rival_that_takes_its_time_to_come_back_is_suspected(lasts_s: float, rival: bool, store: Store) -> None:
    """Not every client reconnects at once; a broken link lasts longer."""
    settings = Mqtt()
    publisher = MqttPublisher(settings, "lamp", store)
    loss = words.make_loss_error(settings, accepted=True)
    said = [publisher._assess_end(loss, time.monotonic() - lasts_s) for _ in range(3)]
    publisher.stop(0.0)
    assert said[:2] == [loss, loss]
    assert ("perhaps another client" in said[2].what) is rival


def test_a_fault_that_comes_at_every_attempt_is_logged_once(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged with its traceback; the reason stays visible."""
    attempts: list[int] = []

    def fail(_client: Client) -> None:
        attempts.append(1)
        struct.pack("!H", 70_000)

    monkeypatch.setattr(Client, "open", fail)
    publisher = MqttPublisher(Mqtt(), "lamp", store)
    publisher._backoff._draw = lambda _low, _high: 0.0
    publisher.start()
    until(lambda: len(attempts) > 20)
    publisher.stop(0.1)
    assert len([line for line in caplog.records if line.exc_info]) == 1
    assert len(caplog.records) == 2
    assert "failed (error: " in publisher.last_error


@pytest.mark.parametrize("prefix", ["ha/#", "h" * 70_000, "ha\n"])
def test_an_invalid_topic_affects_that_topic_alone(
    prefix: str, store: Store, listener: Listener, publisher: MqttPublisher, caplog: pytest.LogCaptureFixture
) -> None:
    """As by a wrong setting: it is logged once, and events and other states are sent."""
    publisher.set_state(f"{prefix}/device/x/config", "{}")
    publisher.follow(f"{prefix}/status", lambda _: None)
    publisher.set_state("tocsin/lamp/info", "{}")
    record(store, 1)
    publisher.wake()
    listener.wait(lambda heard: heard.last("tocsin/lamp/info") == "{}" and len(heard.events()) == 1)
    until(lambda: "cannot be published" in caplog.text and "cannot be followed" in caplog.text)
    assert "Traceback" not in caplog.text
    assert publisher.connected


def test_a_stop_does_not_wait_for_a_broker_that_says_nothing(store: Store) -> None:
    """Nothing can be published; waiting messages get their results."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        publisher = MqttPublisher(Mqtt(port=mute.getsockname()[1], tls=True), "lamp", store)
        publisher.start()
        connection, _ = mute.accept()
        answers: list[str] = []
        publisher.publish_expiring("a", b"", qos=1, retain=False, expire_s=60.0, on_done=answers.append)
        begin_s = time.monotonic()
        publisher.stop(3.0)
        assert time.monotonic() - begin_s < 2.0
        assert answers == ["the service stopped before there was a broker"]
        connection.close()
        publisher._thread.join(5.0)
