"""MQTT actions through a real mosquitto, with simulated devices."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from edge.publish.mqtt import MqttPublisher
from edge.settings.tree import Mqtt
from edge.store import Store
from tests.actions.conftest import WAIT_S, action, trigger
from tests.actions.devices import home_assistant, tasmota, zigbee2mqtt
from tests.support.listener import Listener, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.broker import Broker

pytestmark = pytest.mark.broker

LAMP = {
    "topic": "zigbee2mqtt/lamp/set",
    "toggle": {
        "state_topic": "zigbee2mqtt/lamp",
        "state_key": "state",
        "payload_on": '{"state": "ON"}',
        "payload_off": '{"state": "OFF"}',
    },
}
TV = {"topic": "cmnd/tv/POWER", "toggle": {"state_topic": "stat/tv/POWER"}}
FAN = {
    "topic": "home/fan/set",
    "toggle": {"state_topic": "home/fan", "on": "on", "payload_on": "on", "payload_off": "off"},
}


def mqtt(**values: Any) -> Any:
    return action(type="mqtt", **values)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "state", retention_days=1, max_events=100, outbox_max=100, clips_max_mb=1)
    yield opened
    opened.close()


@pytest.fixture
def publisher(store: Store, broker: Broker) -> Iterator[MqttPublisher]:
    made = MqttPublisher(Mqtt(port=broker.port), "lamp", store)
    yield made
    made.stop(0.5)


@pytest.fixture
def connect(bench: Callable[..., Any], publisher: MqttPublisher) -> Callable[..., Any]:
    """Make actions, then connect."""

    def make(**actions: Any) -> Any:
        made = bench(publisher, **actions)
        publisher.start()
        until(lambda: publisher.connected)
        return made

    return make


def test_a_message_is_filled_in_and_arrives_as_asked(
    connect: Callable[..., Any], broker: Broker, listener: Listener
) -> None:
    """JSON keeps its braces and dollars; the message may be retained, and arrives quickly."""
    payload = '{"what": "$event", "where": "$source of $node", "price": "$5"}'
    made = connect(say=mqtt(topic="hall/say", payload=payload, retain=True, qos=0), ask=mqtt(topic="hall/ask"))
    assert made.run("say") == ""
    begin_s = time.monotonic()
    assert made.run("ask") == ""
    assert time.monotonic() - begin_s < 0.5
    listener.wait(lambda heard: heard.last("hall/ask") == "")
    assert listener.last("hall/say") == '{"what": "double", "where": "mic of lamp", "price": "$5"}'
    with contextlib.closing(Listener(broker)) as late:
        late.wait(lambda heard: heard.last("hall/say") is not None)
    assert made.counts("say") == (1, 0, 0)


@pytest.mark.parametrize(
    ("thing", "settings", "orders"),
    [
        (zigbee2mqtt, LAMP, ['{"state": "ON"}', '{"state": "OFF"}', '{"state": "ON"}']),
        (tasmota, TV, ["ON", "OFF", "ON"]),
        (home_assistant, FAN, ["on", "off", "on"]),
    ],
)
def test_a_device_is_toggled_as_its_maker_documents(
    thing: Any,
    settings: Any,
    orders: list[str],
    connect: Callable[..., Any],
    broker: Broker,
    publisher: MqttPublisher,
) -> None:
    """Each command is the opposite of the reported state."""
    reported = threading.Semaphore(0)
    with thing(broker) as switched:
        made = connect(flip=mqtt(**settings))
        publisher.follow(settings["toggle"]["state_topic"], lambda _payload: reported.release())
        for on in (True, False, True):
            assert made.run("flip") == ""
            assert reported.acquire(timeout=WAIT_S)
            assert switched.on is on
        assert switched.commands == orders


@pytest.mark.parametrize(
    ("thing", "topic", "payload"),
    [(zigbee2mqtt, "zigbee2mqtt/lamp/set", '{"state": "TOGGLE"}'), (tasmota, "cmnd/tv/POWER", "TOGGLE")],
)
def test_a_device_that_toggles_by_itself_needs_no_state(
    thing: Any, topic: str, payload: str, connect: Callable[..., Any], broker: Broker
) -> None:
    """The configured payload is sent."""
    with thing(broker) as switched:
        made = connect(flip=mqtt(topic=topic, payload=payload))
        for on in (True, False):
            assert made.run("flip") == ""
            until(lambda: switched.on is on)  # noqa: B023 - it is called within this round
        assert switched.commands == [payload, payload]


def test_a_manual_switch_is_known(bench: Callable[..., Any], broker: Broker, publisher: MqttPublisher) -> None:
    """Before the connection by the retained state, after it by the report."""
    heard = threading.Semaphore(0)
    made = bench(publisher, flip=mqtt(**LAMP))
    publisher.follow("zigbee2mqtt/lamp", lambda _payload: heard.release())
    with zigbee2mqtt(broker) as lamp:
        lamp.switch(on=True)
        publisher.start()
        assert heard.acquire(timeout=WAIT_S)
        assert made.run("flip") == ""
        until(lambda: lamp.on is False)
        assert heard.acquire(timeout=WAIT_S)
        lamp.switch(on=True)
        assert heard.acquire(timeout=WAIT_S)
        assert made.run("flip") == ""
        until(lambda: lamp.on is False)


def test_two_toggles_before_the_state_came_back_differ(connect: Callable[..., Any], broker: Broker) -> None:
    """A delivered command counts as obeyed until a report."""
    with tasmota(broker) as plug:
        plug.silent = True
        made = connect(flip=mqtt(**TV))
        made.runner.run(["flip", "flip", "flip"], trigger())
        assert [made.result() for _ in range(3)] == ["", "", ""]
        until(lambda: plug.commands == ["ON", "OFF", "ON"])


def test_without_a_broker_it_fails_in_time_with_a_reason(
    bench: Callable[..., Any], publisher: MqttPublisher, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not sent when the broker comes back."""
    broker.stop()
    publisher.start()
    begin_s = time.monotonic()
    made = bench(publisher, flip=mqtt(topic="hall/lamp", payload="ON", expire_s=0.3))
    assert "no broker answers at 127.0.0.1" in made.run("flip")
    assert time.monotonic() - begin_s < 3.0
    assert "action flip: no broker answers at 127.0.0.1" in caplog.text
    assert made.counts("flip") == (0, 1, 0)
    broker.start()
    with contextlib.closing(Listener(broker)) as listener:
        until(lambda: publisher.connected)
        assert made.run("flip") == ""
        listener.wait(lambda heard: heard.last("hall/lamp") == "ON")
        assert [message.topic for message in listener.messages].count("hall/lamp") == 1


def test_a_broker_that_comes_back_in_time_gets_it(
    bench: Callable[..., Any], publisher: MqttPublisher, broker: Broker
) -> None:
    """The message is sent once."""
    broker.stop()
    publisher.start()
    until(lambda: bool(publisher.last_error))
    made = bench(publisher, flip=mqtt(topic="hall/lamp", payload="ON", expire_s=30))
    made.runner.run(["flip"], trigger())
    broker.start()
    assert made.result() == ""


def test_a_node_without_a_broker_says_so(bench: Callable[..., Any]) -> None:
    """With MQTT switched off the action fails with a reason."""
    why = bench(flip=mqtt(topic="hall/lamp")).run("flip")
    assert why == "there is no broker to publish at; set mqtt.enabled = true"
