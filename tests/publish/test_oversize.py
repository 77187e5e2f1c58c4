"""Messages far too large on subscribed topics."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge.publish import oversize
from edge.publish.client import MAX_PACKET
from edge.publish.mqtt import MqttPublisher
from edge.publish.oversize import OVERSIZE_PAUSE_S, OversizeCounter
from edge.settings.tree import Mqtt
from tests.publish.conftest import record
from tests.support.listener import Listener, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.store import Store
    from tests.support.broker import Broker

SIZE_MB, ROOM_MB = 100, 24
FOLLOWED = "zigbee2mqtt/lamp"


def header(kind: int, size: int) -> bytes:
    """Return the beginning of an MQTT packet whose rest has `size` bytes."""
    length = bytearray()
    while True:
        size, digit = divmod(size, 128)
        length.append(digit | (0x80 if size else 0))
        if not size:
            return bytes([kind, *length])


def packet(kind: int, body: bytes) -> bytes:
    return header(kind, len(body)) + body


def message(topic: bytes, payload: bytes, kind: int = 0x30) -> bytes:
    number = b"" if kind == 0x30 else b"\x00\x01"
    return packet(kind, len(topic).to_bytes(2, "big") + topic + number + payload)


def send(broker: Broker, topic: str, size_mb: int = SIZE_MB) -> None:
    """Publish `size_mb` MiB of zeros, retained, with QoS 1, in small parts."""
    name, part = topic.encode(), bytes(1 << 20)
    with socket.create_connection(("127.0.0.1", broker.port), 30) as connection:
        connection.sendall(packet(0x10, b"\x00\x04MQTT\x04\x02\x00\x3c\x00\x05large"))
        assert connection.recv(4) == b"\x20\x02\x00\x00"
        connection.sendall(header(0x33, 2 + len(name) + 2 + size_mb * len(part)))
        connection.sendall(len(name).to_bytes(2, "big") + name + b"\x00\x01")
        for _ in range(size_mb):
            connection.sendall(part)
        assert connection.recv(4)[0] == 0x40


class Memory:
    """The peak memory of this process since the start of the measurement."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forgets the peak
        self._begin = self._mb("VmRSS")

    def more_mb(self) -> float:
        return self._mb("VmHWM") - self._begin

    @staticmethod
    def _mb(name: str) -> float:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


@pytest.mark.broker
@pytest.mark.parametrize("version", ["3.1.1", "5"])
@pytest.mark.parametrize("topic", ["tocsin/lamp/away/set", "tocsin/lamp/any/detect/set", FOLLOWED])
def test_a_large_message_costs_no_memory_and_events_go_on(
    topic: str, version: str, store: Store, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    """Also retained, so that it comes again with each subscription; the topic is paused, the others work."""
    commands: list[tuple[str, str]] = []
    states: list[bytes] = []
    publisher = MqttPublisher(
        Mqtt.model_validate({"port": broker.port, "version": version}),
        "lamp",
        store,
        on_command=lambda suffix, payload: commands.append((suffix, payload)),
    )
    publisher.follow(FOLLOWED, states.append)
    publisher.start()
    heard = Listener(broker, "tocsin/lamp/mic/event")
    until(lambda: publisher.connected)
    memory = Memory()
    send(broker, topic)
    if version == "3.1.1":  # with 5 the broker keeps it to itself: it was told what is too large
        until(lambda: "is not subscribed to for 10 min" in caplog.text)
    until(lambda: publisher.connected)
    for number in range(5):
        record(store, number)
        publisher.wake()
    heard.wait(lambda heard: len(heard.events()) == 5)
    other = "tocsin/lamp/mic/detect/set" if topic != "tocsin/lamp/any/detect/set" else "tocsin/lamp/away/set"
    heard.publish(other, "ON")
    until(lambda: bool(commands))
    assert publisher.connected
    assert memory.more_mb() < ROOM_MB
    assert [payload for _, payload in commands] == ["ON"]
    assert states == []
    publisher.stop(0.5)
    heard.close()


class HostileBroker:
    """A broker that accepts every client and sends given packets."""

    def __init__(self, *packets: bytes) -> None:
        self._packets = packets
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                try:
                    connection.recv(4096)
                    connection.sendall(packet(0x20, b"\x00\x00"))
                    for part in self._packets:
                        connection.sendall(part)
                    while connection.recv(4096):
                        pass
                except OSError:
                    continue

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def hostile(request: pytest.FixtureRequest) -> Iterator[HostileBroker]:
    broker = HostileBroker(*request.param)
    yield broker
    broker.close()


@pytest.mark.parametrize(
    ("hostile", "words"),
    [
        ([message(b"tocsin/lamp/away/set", bytes(8 << 20))], "was not read"),
        ([message(b"tocsin/lamp/away/set", bytes(MAX_PACKET + 1)), b"x"], "on tocsin/lamp/away/set was not read"),
        ([packet(0x90, bytes(8 << 20))], "was not read"),
        ([packet(0x30, b"\xff\xff" + bytes(8 << 20))], "was not read"),
        ([message(b"tocsin/lamp/away/set", b"ON", 0x34)], "was lost"),
        ([message(b"\xff\xfe", b"ON"), packet(0xF0, b"")], "was lost"),
        ([packet(0x90, b"")], ""),
        ([packet(0x40, b"\x01")], ""),
        ([packet(0x30, b"\x00\x09abc")], ""),
    ],
    indirect=["hostile"],
)
def test_no_packet_of_a_hostile_broker_costs_memory_or_fills_the_log(
    hostile: HostileBroker, words: str, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """The connection ends, which is logged once, and it is tried again."""
    memory = Memory()
    publisher = MqttPublisher(Mqtt(port=hostile.port), "lamp", store)
    publisher._backoff._draw = lambda _low, _high: 0.0
    publisher.start()
    until(lambda: hostile.connections >= 5)
    publisher.stop(0.1)
    assert memory.more_mb() < ROOM_MB
    assert words in caplog.text
    assert "\x1b" not in caplog.text
    assert caplog.text.count("Traceback") <= 1
    lost = [record.getMessage() for record in caplog.records if "tried again" in record.getMessage()]
    assert len(lost) <= 2, "the loss, and that it comes again and again"


def test_a_topic_is_paused_after_the_second_in_a_row() -> None:
    """A message of valid size in between resets the count."""
    watch = OversizeCounter()
    assert not watch.count("a", 0.0)
    watch.reset("a")
    assert not watch.count("a", 1.0)
    assert watch.count("a", 2.0)
    assert watch.is_paused("a", 2.0 + OVERSIZE_PAUSE_S - 1)
    assert not watch.is_paused("b", 2.0)
    assert not watch.is_paused("a", 2.0 + OVERSIZE_PAUSE_S)
    assert watch.count("a", 3.0 + OVERSIZE_PAUSE_S), "and one more is enough then"


@pytest.mark.broker
def test_a_paused_topic_is_subscribed_to_again(store: Store, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is subscribed to again after the pause, without a restart."""
    monkeypatch.setattr(oversize, "OVERSIZE_PAUSE_S", 1.0)
    commands: list[str] = []
    publisher = MqttPublisher(
        Mqtt(port=broker.port), "lamp", store, on_command=lambda _, payload: commands.append(payload)
    )
    publisher.start()
    heard = Listener(broker, "tocsin/lamp/status")
    until(lambda: publisher.connected)
    send(broker, "tocsin/lamp/away/set", 1)
    heard.publish("tocsin/lamp/away/set", "", retain=True)

    def obeyed() -> bool:
        heard.publish("tocsin/lamp/away/set", "ON")
        time.sleep(0.1)
        return bool(commands)

    until(obeyed)
    publisher.stop(0.5)
    heard.close()
