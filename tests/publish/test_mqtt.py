"""Delivery through a real mosquitto: in order and at least once, also when broker or process end."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from edge.errors import ConfigError, Unavailable
from edge.publish.mqtt import MqttPublisher, check_broker
from edge.settings.tree import Mqtt
from tests.publish.conftest import open_store, record
from tests.support.broker import Broker
from tests.support.listener import WAIT_S, Listener, until
from tests.support.node import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edge.store import Store

pytestmark = pytest.mark.broker

KILLED = """\
import sys, time
from pathlib import Path
from edge.publish.mqtt import MqttPublisher
from edge.settings.tree import Mqtt
from tests.publish.conftest import open_store, record
store = open_store(Path(sys.argv[1]))
publisher = MqttPublisher(Mqtt(port=int(sys.argv[2])), "lamp", store)
publisher.start()
for number in range(int(sys.argv[3]), int(sys.argv[4])):
    record(store, number)
    publisher.wake()
print("recorded", flush=True)
time.sleep(60)
"""


@pytest.fixture
def publish(store: Store) -> Iterator[Callable[..., MqttPublisher]]:
    started: list[MqttPublisher] = []

    def start(port: int, **options: Any) -> MqttPublisher:
        settings = {key: options.pop(key) for key in list(options) if key in Mqtt.model_fields}
        publisher = MqttPublisher(Mqtt(port=port, **settings), "lamp", store, **options)
        started.append(publisher)
        publisher.start()
        return publisher

    yield start
    for publisher in started:
        publisher.stop(0.5)


def scores(events: list[dict[str, Any]]) -> list[int]:
    """Return the numbers of events without repetitions, in the order of their first arrival."""
    unique = {(event["source"], event["id"]): round(event["data"]["score"] * 1e4) for event in events}
    return list(unique.values())


@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_events_arrive_in_order_and_leave_the_outbox(
    version: str, store: Store, broker: Broker, listener: Listener, publish: Callable[..., MqttPublisher]
) -> None:
    """More than a window of them, in both versions of the protocol."""
    for number in range(50):
        record(store, number)
    publisher = publish(broker.port, version=version)
    listener.wait(lambda heard: len(heard.events()) >= 50)
    record(store, 50)
    publisher.wake()
    listener.wait(lambda heard: len(heard.events()) >= 51)
    assert scores(listener.events()) == list(range(51))
    until(lambda: store.outbox_stats()[0] == 0)


def test_an_event_stays_in_the_outbox_until_the_broker_acknowledges_it(
    store: Store, publish: Callable[..., MqttPublisher]
) -> None:
    """A broker that accepts everything and acknowledges nothing removes nothing from the outbox."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as mute:
        publish(mute.getsockname()[1])
        connection, _ = mute.accept()
        connection.recv(1000)
        connection.sendall(b"\x20\x02\x00\x00")  # CONNACK: accepted
        record(store, 1)
        received = b""
        while b"io.tocsin.sound.start.v1" not in received:
            received += connection.recv(4096)
        assert store.outbox_stats()[0] == 1
        connection.close()


def test_a_broker_that_goes_and_comes_back_gets_everything_once_more_from_where_it_stopped(
    store: Store, broker: Broker, listener: Listener, publish: Callable[..., MqttPublisher]
) -> None:
    """Events recorded while it was away arrive after those from before."""
    publisher = publish(broker.port)
    until(lambda: publisher.connected)
    for number in range(10):
        record(store, number)
        publisher.wake()
    broker.stop()
    until(lambda: not publisher.connected)
    for number in range(10, 60):
        record(store, number)
        publisher.wake()
    broker.start()
    listener.wait(lambda heard: len(scores(heard.events())) == 60)
    assert scores(listener.events()) == list(range(60))
    until(lambda: store.outbox_stats()[0] == 0)


def test_a_process_killed_twice_while_the_broker_is_away_loses_nothing(
    tmp_path: Path, broker: Broker, listener: Listener
) -> None:
    """What was recorded survives; the third start delivers it, in order and once by (source, id)."""
    broker.stop()
    for start in (0, 40):
        command = [sys.executable, "-c", KILLED, str(tmp_path / "s"), str(broker.port), str(start), str(start + 40)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"recorded\n"
            process.kill()
    broker.start()
    store = open_store(tmp_path / "s")
    publisher = MqttPublisher(Mqtt(port=broker.port), "lamp", store)
    publisher.start()
    listener.wait(lambda heard: len(scores(heard.events())) == 80)
    publisher.stop()
    store.close()
    assert scores(listener.events()) == list(range(80))
    sequences = [event["sequence"] for event in listener.events()]
    assert sequences == sorted(sequences)


def test_states_are_retained_and_follow_the_connection(
    broker: Broker, listener: Listener, publish: Callable[..., MqttPublisher]
) -> None:
    """States set before, during and after a connection arrive; a clean stop publishes `stopped`."""
    publisher = publish(broker.port)
    publisher.set_state("tocsin/lamp/mic/status", "online")
    publisher.set_state("tocsin/lamp/info", {"version": "1"})
    listener.wait(lambda heard: heard.last("tocsin/lamp/status") == "online")
    listener.wait(lambda heard: heard.last("tocsin/lamp/info") == '{"version":"1"}')
    publisher.set_state("tocsin/lamp/mic/status", "silent")
    listener.wait(lambda heard: heard.last("tocsin/lamp/mic/status") == "silent")
    publisher.stop()
    listener.wait(lambda heard: heard.last("tocsin/lamp/status") == "stopped")
    late = Listener(broker)
    late.wait(lambda heard: heard.last("tocsin/lamp/mic/status") == "silent")
    assert all(message.retain for message in late.messages)
    late.close()


def test_a_killed_process_is_reported_by_its_last_will(tmp_path: Path, broker: Broker, listener: Listener) -> None:
    """The broker publishes `offline`."""
    command = [sys.executable, "-c", KILLED, str(tmp_path / "s"), str(broker.port), "0", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        listener.wait(lambda heard: heard.last("tocsin/lamp/status") == "online")
        process.kill()
    listener.wait(lambda heard: heard.last("tocsin/lamp/status") == "offline")


def test_a_command_is_obeyed_once_and_a_retained_one_never(
    broker: Broker, listener: Listener, publish: Callable[..., MqttPublisher]
) -> None:
    """A command left in the broker must not switch a node at every restart."""
    listener.publish("tocsin/lamp/mic/detect/set", "OFF", retain=True)
    commands: list[tuple[str, str]] = []
    told = threading.Event()

    def on_command(suffix: str, payload: str) -> None:
        commands.append((suffix, payload))
        told.set()

    publish(broker.port, on_command=on_command)
    listener.wait(lambda heard: heard.last("tocsin/lamp/status") == "online")
    listener.publish("tocsin/lamp/mic/detect/set", "ON")
    assert told.wait(WAIT_S)
    assert commands == [("mic/detect/set", "ON")]


def test_a_refused_login_is_no_connection_and_is_logged_once_with_a_remedy(
    publish: Callable[..., MqttPublisher], caplog: pytest.LogCaptureFixture
) -> None:
    """Repeated attempts must not fill the log."""
    with Broker(password=("user", "right")) as broker:
        publisher = publish(broker.port, username="user", password="wrong")
        until(lambda: "refused" in publisher.last_error)
        publisher._backoff.reset()
        assert not publisher.connected
        time.sleep(1.5)  # at least one more attempt
        lines = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
        assert len(lines) == 1
        assert "mqtt.password_file" in lines[0]
        with pytest.raises(Unavailable, match="refused"):
            check_broker(Mqtt(port=broker.port, username="user"), "wrong")
        check_broker(Mqtt(port=broker.port, username="user"), "right")
        good = publish(broker.port, username="user", client_id="other")
        good.stop(0.1)


def test_a_missing_broker_is_logged_once_and_reported_by_the_check(
    publish: Callable[..., MqttPublisher], caplog: pytest.LogCaptureFixture
) -> None:
    """A node without a broker logs it once."""
    port = free_port()
    publisher = publish(port)
    until(lambda: bool(publisher.last_error))
    assert f"no broker answers at 127.0.0.1:{port}" in publisher.last_error
    with pytest.raises(Unavailable, match="no broker"):
        check_broker(Mqtt(port=port), None)
    assert len(caplog.records) == 1


def test_tls_delivers_and_an_unknown_broker_is_not_trusted(
    tmp_path: Path, store: Store, publish: Callable[..., MqttPublisher]
) -> None:
    """With the right authority it connects; without it the certificate is refused."""
    make_certificates(tmp_path)
    with Broker(tls=tmp_path) as broker:
        publisher = publish(broker.port, tls=True, ca_file=tmp_path / "ca.crt")
        record(store, 1)
        until(lambda: publisher.connected)
        publisher.wake()
        until(lambda: store.outbox_stats()[0] == 0)
        with pytest.raises(Unavailable, match="certificate"):
            check_broker(Mqtt(port=broker.port, tls=True), None)
    with pytest.raises(ConfigError, match=r"mqtt\.ca_file"):
        MqttPublisher(Mqtt(tls=True, ca_file=tmp_path / "none"), "lamp", store)


def make_certificates(folder: Path) -> None:
    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=ca")
    (folder / "san").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl(
        "req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=broker"
    )
    sign = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "san", "-out", "server.crt")
    openssl("x509", "-req", "-in", "server.csr", *sign)
    for name in ("server.key", "ca.crt", "server.crt"):
        (folder / name).chmod(0o644)
