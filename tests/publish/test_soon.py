"""Messages that must arrive within seconds or not at all: the queue, the sender, and a real mosquitto."""

from __future__ import annotations

import queue
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from edge.publish.mailbox import Mailbox
from edge.publish.mqtt import MqttPublisher
from edge.publish.retained import Retained
from edge.publish.sender import WINDOW, Sender
from edge.publish.soon import SOON_MAX, Soon, SoonQueue
from edge.publish.subscriptions import Subscriptions
from edge.publish.topics import Topics
from edge.settings.tree import Mqtt
from tests.support.listener import WAIT_S, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge.store import Store
    from tests.support.broker import Broker
    from tests.support.listener import Listener


class Post:
    """Leaves messages and notes what became of each."""

    def __init__(self) -> None:
        self.queue, self.sent, self.told = SoonQueue(), list[str](), dict[str, list[str]]()

    def message(self, topic: str, *, qos: int = 1, deadline_s: float = 5.0) -> Soon:
        self.told[topic] = []
        return Soon(topic, b"", qos, retain=False, deadline_s=deadline_s, on_done=self.told[topic].append)

    def leave(self, *topics: str, **values: Any) -> None:
        for topic in topics:
            self.queue.leave(self.message(topic, **values))

    def take(self, message: Soon) -> int | None:
        self.sent.append(message.topic)
        return len(self.sent)


def test_a_message_is_told_once_when_it_is_answered() -> None:
    """Arrived or refused; with quality 0 when it was sent."""
    post = Post()
    post.leave("a", "b")
    post.leave("c", qos=0)
    while post.queue.send(post.take):
        pass
    assert post.told == {"a": [], "b": [], "c": [""]}
    assert post.queue.answered(1, "")
    assert post.queue.answered(2, "refused")
    assert not post.queue.answered(1, "")
    assert post.told == {"a": [""], "b": ["refused"], "c": [""]}
    assert not post.queue


def test_what_was_on_its_way_is_sent_again_in_its_place() -> None:
    """On the next connection, before what came later."""
    post = Post()
    post.leave("a", "b", "c")
    post.queue.send(post.take)
    post.queue.send(post.take)
    post.queue.restart()
    while post.queue.send(post.take):
        pass
    assert post.sent == ["a", "b", "a", "b", "c"]


def test_what_is_too_late_is_neither_sent_nor_waited_for() -> None:
    """Each is told why."""
    post = Post()
    post.leave("a", "b", deadline_s=1.0)
    post.leave("c", deadline_s=2.0)
    post.queue.send(post.take)
    post.queue.expire(1.0, "no broker")
    assert post.told == {"a": ["the broker did not confirm it in time"], "b": ["no broker"], "c": []}
    assert not post.queue.answered(1, "")
    post.queue.send(post.take)
    assert post.sent == ["a", "c"]


def test_of_too_many_the_oldest_go() -> None:
    """And are told."""
    post = Post()
    post.leave(*map(str, range(SOON_MAX + 1)))
    assert post.told["0"] == ["too many newer messages wait for the broker"]
    assert len(post.queue) == SOON_MAX


def test_what_the_line_does_not_take_stays() -> None:
    """In its place."""
    post = Post()
    post.leave("a", "b")
    assert not post.queue.send(lambda _message: None)
    while post.queue.send(post.take):
        pass
    assert post.sent == ["a", "b"]


def test_it_goes_before_states_and_within_the_brokers_limits(store: Store) -> None:
    """A thousand states delay no lamp."""
    post, mail, sent = Post(), Mailbox(), list[str]()

    class Line:
        jammed = False

        def send(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> int | None:
            sent.append(topic)
            return len(sent)

    sender = Sender(store, mail, retained=Retained(store, mail), say=lambda *_: None)
    for number in range(1000):
        mail.leave_state(f"state/{number}", b"OFF")
    mail.leave_soon(post.message("lamp", deadline_s=float("inf")))
    mail.leave_soon(post.message("tv", deadline_s=float("inf")))
    sender.begin(quota=1)
    sender.send(Line())
    sender.send(Line())
    assert sent == ["lamp"]
    sender.answered(1)
    sender.send(Line())
    assert sent == ["lamp", "tv"]
    sender.begin(quota=None)
    sender.send(Line())
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


def soon(publisher: MqttPublisher, topic: str = "hall/lamp", expire_s: float = WAIT_S) -> queue.Queue[str]:
    told: queue.Queue[str] = queue.Queue()
    publisher.publish_soon(topic, b"ON", qos=1, retain=False, expire_s=expire_s, on_done=told.put)
    return told


def test_a_message_without_an_answer_is_given_up_in_time(publish: Callable[..., MqttPublisher]) -> None:
    """Sent is not delivered; and it is sent again on the next connection while there is time."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        publisher = publish(mute.getsockname()[1])
        told = soon(publisher)
        for _ in range(2):
            connection, _ = mute.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"\x20\x02\x00\x00")  # CONNACK: accepted
                received = b""
                while b"hall/lamp" not in received:
                    received += connection.recv(4096)
                late = soon(publisher, "hall/late", expire_s=0.01)
                assert late.get(timeout=WAIT_S)
                assert told.empty()


@pytest.mark.broker
def test_a_refusal_is_told_with_the_mend(broker: Broker, publish: Callable[..., MqttPublisher]) -> None:
    """MQTT 5 gives the reason."""
    broker.allow("topic write tocsin/#\n")
    publisher = publish(broker.port, version="5")
    assert (
        soon(publisher)
        .get(timeout=WAIT_S)
        .startswith("the broker refused the message: Not authorized; check the broker's")
    )


@pytest.mark.broker
def test_a_stop_delivers_first_and_tells_the_rest(
    broker: Broker, listener: Listener, publish: Callable[..., MqttPublisher]
) -> None:
    """With a broker all of it arrives; without one it is said."""
    publisher = publish(broker.port)
    until(lambda: publisher.connected)
    told = [soon(publisher, f"hall/{number}") for number in range(50)]
    publisher.stop()
    assert [one.get(timeout=WAIT_S) for one in told] == [""] * 50
    broker.stop()
    lonely = publish(broker.port)
    told = [soon(lonely)]
    lonely.stop(0.1)
    assert "the service stopped" in told[0].get(timeout=WAIT_S)


@pytest.mark.broker
@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_a_followed_topic_is_heard_retained_live_and_after_a_break(
    version: str, broker: Broker, listener: Listener, publish: Callable[..., MqttPublisher]
) -> None:
    """Whether it was followed before the connection or after; a follower that fails harms nobody."""
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


def test_what_may_not_be_followed_is_said() -> None:
    """The command topics are another matter; each is asked for once a connection."""
    subscriptions = Subscriptions(Topics("tocsin", "lamp"), None)
    subscriptions.follow("hall/lamp", lambda _payload: None)
    asked: list[str] = []

    def subscribe(topic: str) -> int:
        asked.append(topic)
        return len(asked)

    subscriptions.ask(subscribe)
    subscriptions.ask(subscribe)
    assert asked == ["tocsin/lamp/+/detect/set", "tocsin/lamp/away/set", "hall/lamp"]
    assert subscriptions.answered(1, "") == ""
    assert "lets nobody command this node (Not authorized)" in subscriptions.answered(2, "Not authorized")
    assert "does not let this node follow hall/lamp (Not" in subscriptions.answered(3, "Not authorized")
    subscriptions.begin()
    subscriptions.ask(subscribe)
    assert asked[3:] == asked[:3]


@pytest.mark.broker
def test_the_away_mode_is_commanded_and_a_retained_command_is_not_obeyed(
    broker: Broker, listener: Listener, store: Store
) -> None:
    """As for a source's detection."""
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
            publisher.publish_soon(name, text, qos=1, retain=False, expire_s=WAIT_S, on_done=told.put)

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
