"""Expiring messages: the queue, the sender, and a real mosquitto."""

from __future__ import annotations

import queue
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from edge.publish.expiring import EXPIRING_MAX, ExpiringMessage, ExpiringQueue
from edge.publish.mailbox import Mailbox
from edge.publish.mqtt import MqttPublisher
from edge.publish.outbox_sender import WINDOW
from edge.publish.retained import RetainedTopics
from edge.publish.sender import Sender
from edge.publish.subscriptions import Subscriptions
from edge.publish.topics import Topics
from edge.settings.tree import Mqtt
from tests.support.listener import WAIT_S, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge.store import Store
    from tests.support.broker import Broker
    from tests.support.listener import Listener


class QueueBench:
    """A queue whose messages record their results."""

    def __init__(self) -> None:
        self.queue, self.sent, self.results = ExpiringQueue(), list[str](), dict[str, list[str]]()

    def message(self, topic: str, *, qos: int = 1, deadline_s: float = 5.0) -> ExpiringMessage:
        self.results[topic] = []
        return ExpiringMessage(topic, b"", qos, retain=False, deadline_s=deadline_s, on_done=self.results[topic].append)

    def put(self, *topics: str, **values: Any) -> None:
        for topic in topics:
            self.queue.put(self.message(topic, **values))

    def take(self, message: ExpiringMessage) -> int | None:
        self.sent.append(message.topic)
        return len(self.sent)


def test_a_message_has_one_result() -> None:
    """`on_done` is called once: after the answer, or with QoS 0 after sending."""
    bench = QueueBench()
    bench.put("a", "b")
    bench.put("c", qos=0)
    while bench.queue.send(bench.take):
        pass
    assert bench.results == {"a": [], "b": [], "c": [""]}
    assert bench.queue.handle_answer(1, "")
    assert bench.queue.handle_answer(2, "refused")
    assert not bench.queue.handle_answer(1, "")
    assert bench.results == {"a": [""], "b": ["refused"], "c": [""]}
    assert not bench.queue


def test_messages_in_flight_are_sent_again_in_order() -> None:
    """Messages in flight are sent again on the next connection, before later ones."""
    bench = QueueBench()
    bench.put("a", "b", "c")
    bench.queue.send(bench.take)
    bench.queue.send(bench.take)
    bench.queue.restart()
    while bench.queue.send(bench.take):
        pass
    assert bench.sent == ["a", "b", "a", "b", "c"]


def test_an_expired_message_is_neither_sent_nor_waited_for() -> None:
    """Each `on_done` gets the reason."""
    bench = QueueBench()
    bench.put("a", "b", deadline_s=1.0)
    bench.put("c", deadline_s=2.0)
    bench.queue.send(bench.take)
    bench.queue.expire(1.0, "no broker")
    assert bench.results == {"a": ["the broker did not confirm it in time"], "b": ["no broker"], "c": []}
    assert not bench.queue.handle_answer(1, "")
    bench.queue.send(bench.take)
    assert bench.sent == ["a", "c"]


def test_the_oldest_of_too_many_is_dropped() -> None:
    """The oldest message is dropped with a reason."""
    bench = QueueBench()
    bench.put(*map(str, range(EXPIRING_MAX + 1)))
    assert bench.results["0"] == ["too many newer messages wait for the broker"]
    assert len(bench.queue) == EXPIRING_MAX


def test_a_message_that_the_transport_refuses_stays() -> None:
    """A message that the transport does not accept keeps its place."""
    bench = QueueBench()
    bench.put("a", "b")
    assert not bench.queue.send(lambda _message: None)
    while bench.queue.send(bench.take):
        pass
    assert bench.sent == ["a", "b"]


def test_expiring_messages_are_sent_first_within_the_brokers_limit(store: Store) -> None:
    """Expiring messages are sent before states, within the broker's limit."""
    bench, mail, sent = QueueBench(), Mailbox(), list[str]()

    class Transport:
        congested = False

        def send(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> int | None:
            sent.append(topic)
            return len(sent)

    sender = Sender(store, mail, retained=RetainedTopics(store, mail), warn=lambda *_: None)
    for number in range(1000):
        mail.put_state(f"state/{number}", b"OFF")
    mail.put_expiring(bench.message("lamp", deadline_s=float("inf")))
    mail.put_expiring(bench.message("tv", deadline_s=float("inf")))
    sender.begin(quota=1)
    sender.send(Transport())
    sender.send(Transport())
    assert sent == ["lamp"]
    sender.handle_answer(1)
    sender.send(Transport())
    assert sent == ["lamp", "tv"]
    sender.begin(quota=None)
    sender.send(Transport())
    assert sent[2] == "tv"
    assert len(sent) == 3 + WINDOW
    assert not sender.quiet
    mail.close()


@pytest.fixture
def publish(store: Store) -> Iterator[Callable[..., MqttPublisher]]:
    made: list[MqttPublisher] = []

    def start(port: int, **options: Any) -> MqttPublisher:
        made.append(MqttPublisher(Mqtt(port=port, **options), "lamp", store))
        made[-1].start()
        return made[-1]

    yield start
    for publisher in made:
        publisher.stop(0.5)


def send_expiring(publisher: MqttPublisher, topic: str = "hall/lamp", expire_s: float = WAIT_S) -> queue.Queue[str]:
    told: queue.Queue[str] = queue.Queue()
    publisher.publish_expiring(topic, b"ON", qos=1, retain=False, expire_s=expire_s, on_done=told.put)
    return told


def test_a_message_without_an_answer_is_given_up_in_time(publish: Callable[..., MqttPublisher]) -> None:
    """A sent message is not delivered; it is sent again on the next connection until its deadline."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        publisher = publish(mute.getsockname()[1])
        told = send_expiring(publisher)
        for _ in range(2):
            connection, _ = mute.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"\x20\x02\x00\x00")  # CONNACK: accepted
                received = b""
                while b"hall/lamp" not in received:
                    received += connection.recv(4096)
                late = send_expiring(publisher, "hall/late", expire_s=0.01)
                assert late.get(timeout=WAIT_S)
                assert told.empty()


@pytest.mark.broker
def test_a_refusal_has_a_remedy(broker: Broker, publish: Callable[..., MqttPublisher]) -> None:
    """MQTT 5 gives the reason of a refusal."""
    broker.allow("topic write tocsin/#\n")
    publisher = publish(broker.port, version="5")
    assert (
        send_expiring(publisher)
        .get(timeout=WAIT_S)
        .startswith("the broker refused the message: Not authorized; check the broker's")
    )


@pytest.mark.broker
def test_a_stop_delivers_first_and_tells_the_rest(
    broker: Broker, listener: Listener, publish: Callable[..., MqttPublisher]
) -> None:
    """With a broker all messages arrive; without one each gets a reason."""
    publisher = publish(broker.port)
    until(lambda: publisher.connected)
    told = [send_expiring(publisher, f"hall/{number}") for number in range(50)]
    publisher.stop()
    assert [one.get(timeout=WAIT_S) for one in told] == [""] * 50
    broker.stop()
    lonely = publish(broker.port)
    told = [send_expiring(lonely)]
    lonely.stop(0.1)
    assert "the service stopped" in told[0].get(timeout=WAIT_S)


@pytest.mark.broker
@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_a_followed_topic_is_received_retained_live_and_after_a_break(
    version: str, broker: Broker, listener: Listener, publish: Callable[..., MqttPublisher]
) -> None:
    """A topic may be followed before or after connecting; a failing callback affects no other."""
    listener.publish("zigbee2mqtt/lamp", "old", retain=True)
    heard: queue.Queue[bytes] = queue.Queue()

    def fail(_payload: bytes) -> None:
        raise ValueError

    publisher = publish(broker.port, version=version)
    until(lambda: publisher.connected)
    publisher.follow("zigbee2mqtt/lamp", heard.put)
    publisher.follow("zigbee2mqtt/lamp", fail)
    assert heard.get(timeout=WAIT_S) == b"old"
    listener.publish("zigbee2mqtt/lamp", "new")
    assert heard.get(timeout=WAIT_S) == b"new"
    broker.stop()
    until(lambda: not publisher.connected)
    broker.start()
    assert heard.get(timeout=WAIT_S) == b"old"


def test_a_refused_subscription_is_reported() -> None:
    """A refused subscription is logged; each topic is requested once per connection."""
    subscriptions = Subscriptions(Topics("tocsin", "lamp"), None)
    subscriptions.follow("hall/lamp", lambda _payload: None)
    asked: list[str] = []

    def subscribe(topic: str) -> int:
        asked.append(topic)
        return len(asked)

    subscriptions.subscribe_pending(subscribe)
    subscriptions.subscribe_pending(subscribe)
    assert asked == ["tocsin/lamp/+/detect/set", "tocsin/lamp/away/set", "hall/lamp"]
    assert subscriptions.handle_answer(1, "") == ""
    assert "refuses the subscription to commands (Not authorized)" in subscriptions.handle_answer(2, "Not authorized")
    assert "does not let this node follow hall/lamp (Not" in subscriptions.handle_answer(3, "Not authorized")
    subscriptions.begin()
    subscriptions.subscribe_pending(subscribe)
    assert asked[3:] == asked[:3]


@pytest.mark.broker
def test_the_away_mode_is_commanded_and_a_retained_command_is_not_obeyed(
    broker: Broker, listener: Listener, store: Store
) -> None:
    """As the detection of a source."""
    listener.publish("tocsin/lamp/away/set", "ON", retain=True)
    commands: queue.Queue[tuple[str, str]] = queue.Queue()
    publisher = MqttPublisher(Mqtt(port=broker.port), "lamp", store, on_command=lambda *told: commands.put(told))
    publisher.start()
    listener.wait(lambda told: told.last("tocsin/lamp/status") == "online")
    listener.publish("tocsin/lamp/away/set", "OFF")
    assert commands.get(timeout=WAIT_S) == ("away/set", "OFF")
    publisher.stop()
    assert commands.empty()


@pytest.mark.broker
def test_many_threads_may_leave_messages(
    broker: Broker, listener: Listener, publish: Callable[..., MqttPublisher]
) -> None:
    """Each arrives once, in the order of its thread."""
    publisher = publish(broker.port)
    until(lambda: publisher.connected)
    told: queue.Queue[str] = queue.Queue()

    def leave(name: str) -> None:
        for number in range(20):
            text = str(number).encode()
            publisher.publish_expiring(name, text, qos=1, retain=False, expire_s=WAIT_S, on_done=told.put)

    threads = [threading.Thread(target=leave, args=(f"hall/{i}",)) for i in range(3)]
    for thread in threads:
        thread.start()
    assert [told.get(timeout=WAIT_S) for _ in range(60)] == [""] * 60
    listener.wait(lambda heard: sum(m.topic.startswith("hall/") for m in heard.messages) == 60)
    for i in range(3):
        numbers = [int(m.payload) for m in listener.messages if m.topic == f"hall/{i}"]
        assert numbers == list(range(20))
    for thread in threads:
        thread.join()
