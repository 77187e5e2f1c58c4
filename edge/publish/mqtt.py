"""The broker: the only module that imports paho.

A message leaves the outbox when the broker has acknowledged it, and not before. Every connection begins with a client
of its own and with the first message that is still in the outbox, so that the library's memory is never the only copy
and never sends behind our back; what was sent and not acknowledged is sent again, in order, with the same id.
"""

from __future__ import annotations

import json
import logging
import ssl
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from edge.backoff import Backoff
from edge.errors import ConfigError, StorageError, Unavailable
from edge.publish import topics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

    from edge.settings import Mqtt
    from edge.store import Store

log = logging.getLogger("tocsin.mqtt")

WINDOW = 20  # events sent and not yet acknowledged
_CAP_S = 30.0  # longest wait before the next attempt
_LOOP_S = 0.5
_CONNECT_S = 10.0
_UNLIMITED = 1000
_VOLATILE_MAX = 100
_VERSIONS = {"3.1.1": MQTTProtocolVersion.MQTTv311, "5": MQTTProtocolVersion.MQTTv5}
_REFUSED = {
    "Bad user name or password": "check mqtt.username and mqtt.password_file",
    "Not authorized": "check the broker's access rules, mqtt.username and mqtt.password_file",
    "Client identifier not valid": "set mqtt.client_id",
    "Unsupported protocol version": "set mqtt.version",
}


class MqttPublisher:
    """Publishes states at once and events from the store's outbox, whenever there is a broker.

    Two threads: `network` connects and runs paho's loop, whose callbacks only take notes; `sender` is the only one that
    publishes, without holding a lock, because paho calls back with its own locks held.
    """

    def __init__(
        self,
        settings: Mqtt,
        node: str,
        store: Store,
        *,
        on_command: Callable[[str, str], None] | None = None,
        password: str | None = None,
    ) -> None:
        """Check what can be checked without a broker; raises `ConfigError` for TLS files that cannot be used.

        `on_command` is told the part of a command's topic behind the node, such as ``mic/detect/set``, and its payload.
        """
        self._settings, self._node, self._store = settings, node, store
        self._on_command, self._password = on_command, password
        self._prefix = f"{settings.base}/{node}/"
        self._status = topics.status(settings.base, node)
        self._tls = _tls_context(settings)
        self._states: dict[str, bytes] = {self._status: b"online"}
        self._changed: dict[str, None] = {}
        self._volatile: deque[tuple[str, bytes]] = deque(maxlen=_VOLATILE_MAX)
        self._lock = threading.Lock()
        self._client: paho.Client | None = None
        self._greet = False
        self._acknowledged: deque[int] = deque()
        self._in_flight: dict[int, int | None] = {}
        self._delivered: deque[int] = deque()
        self._sent = 0
        self._wake = threading.Event()
        self._idle = threading.Event()
        self._stopping = threading.Event()
        self._backoff = Backoff(_CAP_S)
        self._network = threading.Thread(target=self._run, name="mqtt-network", daemon=True)
        self._sender = threading.Thread(target=self._send, name="mqtt-sender", daemon=True)
        self.last_error = ""
        """Why there is no connection, in one line."""

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us; a refused connection is none."""
        return self._client is not None

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._network.start()
        self._sender.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        """Say `stopped`, give what waits up to `timeout_s` to be acknowledged, and disconnect."""
        deadline = time.monotonic() + timeout_s
        if self.connected:
            self._idle.clear()
            self.set_state(self._status, "stopped")
            self._idle.wait(timeout_s)
        self._stopping.set()
        client = self._client
        if client is not None:
            client.disconnect()
        self._wake.set()
        for thread in (self._network, self._sender):
            if thread.is_alive():
                thread.join(max(1.0, deadline - time.monotonic()))

    def set_state(self, topic: str, payload: str | Mapping[str, Any]) -> None:
        """Keep `payload` as a topic's retained value: sent now if there is a broker, and at every new connection."""
        data = _encode(payload)
        with self._lock:
            if self._states.get(topic) == data:
                return
            self._states[topic] = data
            self._changed[topic] = None
        self._wake.set()

    def publish_volatile(self, topic: str, payload: str | Mapping[str, Any]) -> None:
        """Send what is of use only now; nothing happens without a broker."""
        if self.connected:
            self._volatile.append((topic, _encode(payload)))
            self._wake.set()

    def wake(self) -> None:
        """Have what is new in the outbox sent."""
        self._wake.set()

    # The sender's thread

    def _send(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(_LOOP_S)
            self._wake.clear()
            client = self._client
            if client is None:
                self._volatile.clear()
                continue
            try:
                if self._greet:
                    self._greet = False
                    self._begin(client)
                self._cross_off()
                self._send_events(client)  # first: a moment counts
                self._send_states(client)
            except StorageError as exc:
                log.warning("the outbox cannot be used: %s", exc)
                continue
            if not self._in_flight and not self._changed and not self._store.outbox_stats()[0]:
                self._idle.set()

    def _begin(self, client: paho.Client) -> None:
        """Start a connection from nothing: all states, and the outbox from its first message."""
        self._acknowledged.clear()
        self._in_flight.clear()
        self._sent = 0
        client.subscribe(topics.detect_set(self._settings.base, self._node), qos=1)
        with self._lock:
            self._changed = dict.fromkeys(self._states)
        self._send_states(client)

    def _send_states(self, client: paho.Client) -> None:
        with self._lock:
            changed = [(topic, self._states[topic]) for topic in self._changed]
            self._changed.clear()
        for topic, payload in changed:
            self._in_flight[client.publish(topic, payload, qos=1, retain=True).mid] = None
        while self._volatile:
            client.publish(*self._volatile.popleft(), qos=0)

    def _send_events(self, client: paho.Client) -> None:
        room = WINDOW - sum(sequence is not None for sequence in self._in_flight.values())
        if room <= 0:
            return
        for row in self._store.outbox_peek(self._sent, room):
            self._in_flight[client.publish(row.topic, row.payload, qos=1).mid] = row.sequence
            self._sent = row.sequence

    def _cross_off(self) -> None:
        while self._acknowledged:
            sequence = self._in_flight.pop(self._acknowledged.popleft(), None)
            if sequence is not None:
                self._delivered.append(sequence)
        while self._delivered:
            self._store.outbox_done(self._delivered[0])  # where the disk is full, it is tried again
            self._delivered.popleft()

    # The network's thread

    def _run(self) -> None:
        while not self._stopping.is_set():
            client = self._new_client()
            try:
                client.connect(self._settings.host, self._settings.port, keepalive=self._settings.keepalive_s)
            except (OSError, ValueError) as exc:
                self._say_lost(_absence(self._settings, exc))
            else:
                self._serve(client)
            self._stopping.wait(self._backoff.next_s())

    def _serve(self, client: paho.Client) -> None:
        code = MQTTErrorCode.MQTT_ERR_SUCCESS
        while code == MQTTErrorCode.MQTT_ERR_SUCCESS:
            code = client.loop(timeout=_LOOP_S)
        accepted, self._client = self.connected, None
        if accepted and not self._stopping.is_set():
            where = f"{self._settings.host}:{self._settings.port}"
            self._say_lost(f"the broker at {where} is gone ({paho.error_string(code)})")

    def _new_client(self) -> paho.Client:
        client_id = self._settings.client_id or f"tocsin-{self._node}"
        client = _client(self._settings, client_id, self._password, self._tls)
        client.max_inflight_messages_set(_UNLIMITED)  # our window is the limit
        client.will_set(self._status, "offline", qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        return client

    def _on_connect(
        self, client: paho.Client, _data: object, _flags: object, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._say_lost(_refusal(self._settings, reason))
            client.disconnect()
            return
        self._backoff.reset()
        self.last_error = ""
        self._greet, self._client = True, client
        self._wake.set()
        log.info("connected to the broker at %s:%d", self._settings.host, self._settings.port)

    def _on_publish(
        self, _client: paho.Client, _data: object, mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            log.warning("the broker refused a message: %s; it is sent again at the next connection", reason)
            return
        self._acknowledged.append(mid)
        self._wake.set()

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        if message.retain:
            log.warning("ignored a retained command on %s: a command holds once, when it is given", message.topic)
        elif self._on_command is not None:
            suffix = message.topic[len(self._prefix) :]
            self._on_command(suffix, message.payload[:64].decode("utf-8", "replace").strip())

    def _say_lost(self, why: str) -> None:
        if why != self.last_error:
            self.last_error = why
            log.warning("%s; events wait in the outbox and it is tried again", why)


def check_broker(settings: Mqtt, password: str | None, *, timeout_s: float = 5.0) -> None:
    """Connect once and leave; raises `Unavailable` with the mend when the broker is not there or refuses us."""
    client = _client(settings, "", password, _tls_context(settings))
    client.connect_timeout = timeout_s
    answer: list[ReasonCode] = []
    client.on_connect = lambda _client, _data, _flags, reason, _properties: answer.append(reason)
    deadline = time.monotonic() + timeout_s
    try:
        client.connect(settings.host, settings.port)
    except (OSError, ValueError) as exc:
        raise Unavailable(_absence(settings, exc)) from exc
    while not answer and time.monotonic() < deadline and client.loop(timeout=0.1) == MQTTErrorCode.MQTT_ERR_SUCCESS:
        continue
    client.disconnect()
    if not answer:
        msg = f"{settings.host}:{settings.port} does not answer as a broker; check mqtt.port and mqtt.tls"
        raise Unavailable(msg)
    if answer[0].is_failure:
        raise Unavailable(_refusal(settings, answer[0]))


def _client(settings: Mqtt, client_id: str, password: str | None, tls: ssl.SSLContext | None) -> paho.Client:
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        protocol=_VERSIONS[settings.version],
        clean_session=None if settings.version == "5" else True,
    )
    client.connect_timeout = _CONNECT_S
    if settings.username or password is not None:
        client.username_pw_set(settings.username, password)
    if tls is not None:
        client.tls_set_context(tls)
    return client


def _absence(settings: Mqtt, exc: Exception) -> str:
    return f"no broker at {settings.host}:{settings.port} ({_reason(exc)})"


def _refusal(settings: Mqtt, reason: ReasonCode) -> str:
    text = str(reason)
    return f"the broker at {settings.host}:{settings.port} refused us: {text}; {_REFUSED.get(text, 'see its log')}"


def _encode(payload: str | Mapping[str, Any]) -> bytes:
    return (payload if isinstance(payload, str) else json.dumps(payload, separators=(",", ":"))).encode()


def _reason(exc: Exception) -> str:
    return getattr(exc, "strerror", None) or str(exc) or type(exc).__name__


def _tls_context(settings: Mqtt) -> ssl.SSLContext | None:
    if not settings.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.cert_file is not None:
            context.load_cert_chain(settings.cert_file, settings.key_file)
    except (OSError, ssl.SSLError) as exc:
        msg = f"mqtt.ca_file, mqtt.cert_file or mqtt.key_file cannot be used: {_reason(exc)}"
        raise ConfigError(msg) from exc
    return context
