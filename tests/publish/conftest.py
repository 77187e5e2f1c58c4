"""A store, a broker, and somebody who listens."""

from __future__ import annotations

import json
import threading
import uuid
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from edge.publish import topics
from edge.publish.payload import EventContext, ModelInfo, Stamp, cloud_event
from edge.store import Store
from edge.types import Event, Phase
from tests.support.broker import Broker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WAIT_S = 15.0
CONTEXT = EventContext(
    "lamp", "mic", "", ModelInfo("tiny", "1", "ab" * 32, "cpu"), calibrated=False, clock_synced=True, severity="info"
)


class Listener:
    """A subscriber whose session outlives the broker's restarts; `wait` until what it heard fits."""

    def __init__(self, broker: Broker, topic: str = "#") -> None:
        self.messages: list[paho.MQTTMessage] = []
        self._changed = threading.Condition()
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, f"listener-{uuid.uuid4()}", clean_session=False)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._heard
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        assert self._subscribed.wait(WAIT_S)

    def _heard(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()

    def wait(self, fits: Callable[[Listener], bool], timeout_s: float = WAIT_S) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: fits(self), timeout_s), [
                (m.topic, m.payload[:80]) for m in self.messages[-10:]
            ]

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(m.payload) for m in self.messages if m.topic.endswith("/event")]

    def last(self, topic: str) -> str | None:
        return next((m.payload.decode() for m in reversed(self.messages) if m.topic == topic), None)

    def publish(self, topic: str, payload: str, *, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(WAIT_S)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def record(store: Store, number: int) -> dict[str, Any]:
    """Store one event message; its score tells its number."""
    event = Event(
        str(uuid.uuid4()),
        Phase.START,
        "siren",
        number / 1e4,
        1.0,
        onset=0,
        end=None,
        decided=1,
        laeq_db=-30,
        lafmax_db=-20,
    )
    now = datetime.now(timezone.utc)
    return store.record(
        lambda sequence: cloud_event(
            event, CONTEXT, Stamp(str(uuid.uuid4()), sequence, now), onset=now, end=None, heard=now
        ),
        topic=topics.event("tocsin", "lamp", "mic"),
    )


def open_store(folder: Path) -> Store:
    """Open a store with room for everything."""
    return Store(folder, retention_days=1, max_events=100_000, outbox_max=100_000, clips_max_mb=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "state")
    yield opened
    opened.close()


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as running:
        yield running


@pytest.fixture
def listener(broker: Broker) -> Iterator[Listener]:
    listening = Listener(broker)
    yield listening
    listening.close()
