"""The broker: the only module that imports paho.

A message leaves the outbox when the broker has acknowledged it, and not before. Every connection begins with a client
of its own and with the first message that is still in the outbox, so that the library's memory is never the only copy
and never sends behind our back; what was sent and not acknowledged is sent again, in order, with the same id.

One thread owns the connection. paho calls back with its locks held and writes from any thread that publishes, so two
threads can lock each other out or tear a packet. All others leave what they have to say in the mailbox.
"""

from __future__ import annotations

import logging
import math
import select
import threading
import time
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from edge.backoff import STEADY_S, Backoff
from edge.errors import Unavailable
from edge.jsontext import dumps
from edge.publish import broker, topics
from edge.publish.mailbox import Mailbox
from edge.publish.sender import Sender
from edge.publish.soon import Soon
from edge.publish.subscriptions import Subscriptions

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

    from edge.settings import Mqtt
    from edge.store import Store

log = logging.getLogger("tocsin.mqtt")

_CAP_S = 30.0  # longest wait before the next attempt
_TURN_S = 1.0  # how often the connection's health is looked at
_CONNECT_S = 10.0
_GRACE_S = 0.5  # for the last word, when what waited took all the time there was
_UNLIMITED = 65_535  # the protocol's own bound; the sender's windows are narrower
_VERSIONS = {"3.1.1": MQTTProtocolVersion.MQTTv311, "5": MQTTProtocolVersion.MQTTv5}


class MqttPublisher:
    """Publishes states at once and events from the store's outbox, whenever there is a broker.

    Every method is thread-safe, and none but `stop` waits.
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

        `on_command` is told the part of a command's topic behind the node, ``mic/detect/set`` or ``away/set``, and its
        payload, on the publisher's thread.
        """
        self._settings, self._node, self._password = settings, node, password
        self._subscriptions = Subscriptions(settings.base, node, on_command)
        self._status = topics.status(settings.base, node)
        self._tls = broker.tls_context(settings)
        self._mail = Mailbox()
        self._sender = Sender(store, self._mail, say=self._say)
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._stopping = threading.Event()
        self._deadline = 0.0
        self._leaving = False
        self._backoff = Backoff(_CAP_S)
        self._accepted = False
        self._why = ""
        self._said = ""
        self.last_error = ""
        """Why there is no connection, in one line."""

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us; a refused connection is none."""
        return self._accepted

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        """Give what waits up to `timeout_s` to be acknowledged, say `stopped`, and disconnect."""
        self._deadline = time.monotonic() + timeout_s
        self._stopping.set()
        self._mail.ring()
        if self._thread.is_alive():
            self._thread.join(timeout_s + 2 * _GRACE_S)
        else:
            self._end()

    def set_state(self, topic: str, payload: str | Mapping[str, Any]) -> None:
        """Keep `payload` as a topic's retained value: sent now if there is a broker, and at every new connection."""
        self._mail.leave_state(topic, _encode(payload))

    def publish_volatile(self, topic: str, payload: str | Mapping[str, Any]) -> None:
        """Send what is of use only now; without a broker nothing happens, and a slow one gets the newest."""
        if self._accepted:
            self._mail.leave_volatile(topic, _encode(payload))

    def publish_soon(
        self, topic: str, payload: bytes, *, qos: int, retain: bool, expire_s: float, on_done: Callable[[str], None]
    ) -> None:
        """Send within `expire_s` or not at all, through new connections where it must be.

        `on_done` is told once, nothing when the broker has it (with `qos` 0, when it was sent), or why it has not; it
        must not raise nor wait. It is called on the publisher's thread, or, where too many wait and the oldest goes, on
        that of whoever leaves the newest.
        """
        self._mail.leave_soon(Soon(topic, payload, qos, retain, time.monotonic() + expire_s, on_done))

    def follow(self, topic: str, callback: Callable[[bytes], None]) -> None:
        """Have `callback` called with every payload of a topic, retained ones included, on the publisher's thread."""
        self._subscriptions.follow(topic, callback)
        self._mail.ring()

    def wake(self) -> None:
        """Send what is new in the outbox."""
        self._mail.leave_news()

    # The publisher's thread: one connection after the other

    def _run(self) -> None:
        while not self._stopping.is_set():
            begin_s = time.monotonic()
            try:
                why = self._attempt()
            except Exception as exc:
                log.exception("the connection to the broker failed")
                why = broker.absence(self._settings, exc)
            self._accepted = False
            if self._stopping.is_set():
                break
            self._say_lost(why)
            if time.monotonic() - begin_s > _CONNECT_S + STEADY_S:
                self._backoff.reset()
            self._rest(self._backoff.next_s())
        self._end()

    def _rest(self, seconds: float) -> None:
        """Wait before the next connection, and say in time what is too late."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0.0 and not self._stopping.wait(min(left_s, _TURN_S)):
            self._sender.expire(self.last_error)

    def _end(self) -> None:
        self._mail.soon.expire(math.inf, "the service stopped before there was a broker")
        self._mail.close()

    def _attempt(self) -> str:
        """Connect, keep the connection as long as it lasts, and return why it ended."""
        client = self._new_client()
        self._why = ""
        try:
            client.connect(self._settings.host, self._settings.port, keepalive=self._settings.keepalive_s)
        except (OSError, ValueError) as exc:
            return broker.absence(self._settings, exc)
        line = _Line(client)
        while client.socket() is not None:
            if self._stopping.is_set() and self._may_leave():
                client.disconnect()  # behind what is on its way
                break
            self._sender.expire("the broker takes nothing at the moment")
            if self._accepted and not line.jammed:
                self._subscriptions.ask(lambda topic: client.subscribe(topic, qos=1)[1])
                self._sender.send(line, events=not self._leaving)
            self._turn(client)
        return self._why or broker.loss(self._settings, accepted=self._accepted)

    def _new_client(self) -> paho.Client:
        client_id = self._settings.client_id or f"tocsin-{self._node}"
        client = _client(self._settings, client_id, self._password, self._tls)
        client.will_set(self._status, "offline", qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        return client

    def _turn(self, client: paho.Client) -> None:
        """Wait until there is something to read, to write or to say, and move packets."""
        connection: Any = client.socket()  # a socket, TLS around one, or None: what was sent has found it lost
        if connection is None:
            return
        # TLS reads more than was asked for; what it holds rings at no socket.
        held = bool(getattr(connection, "pending", int)())
        poll = select.poll()
        poll.register(self._mail.bell, select.POLLIN)
        poll.register(connection, select.POLLIN | (select.POLLOUT if client.want_write() else 0))
        wait_s = 0.0 if held else _GRACE_S / 10 if self._stopping.is_set() else _TURN_S
        ready = dict(poll.poll(wait_s * 1000.0))
        if not ready and not self._stopping.is_set():
            self._mail.news.set()  # a look at the outbox costs little, and nothing stays there for want of a ring
        if self._mail.bell.fileno() in ready:
            self._mail.silence()
        moves = ready.get(connection.fileno(), 0)
        if held or moves & ~select.POLLOUT:  # a lost connection, too, is noticed by reading
            client.loop_read()
        if moves & select.POLLOUT:
            client.loop_write()
        client.loop_misc()

    def _may_leave(self) -> bool:
        """Return whether all is said; `stopped` comes last, when nothing waits or the time is up."""
        now_s = time.monotonic()
        if not self._accepted or now_s >= self._deadline + _GRACE_S:
            return True
        if self._leaving:
            return self._sender.quiet
        if now_s >= self._deadline or (self._sender.quiet and self._sender.delivered_all):
            self._leaving = True
            self.set_state(self._status, "stopped")
        return False

    # What paho tells, on the publisher's thread

    def _on_connect(
        self, client: paho.Client, _data: object, _flags: object, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._why = broker.refusal(self._settings, str(reason))
            client.disconnect()
            return
        self._sender.begin(quota=getattr(properties, "ReceiveMaximum", None))
        self._mail.begin(self._status, b"online")
        self._subscriptions.begin()
        self._accepted = True
        self.last_error = self._said = ""
        log.info("connected to the broker at %s:%d", self._settings.host, self._settings.port)

    def _on_disconnect(
        self,
        _client: paho.Client,
        _data: object,
        flags: paho.DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._why = broker.refusal(self._settings, str(reason))

    def _on_subscribe(
        self, _client: paho.Client, _data: object, mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        refusal = next((str(reason) for reason in reasons if reason.is_failure), "")
        if line := self._subscriptions.answered(mid, refusal):
            self._say(line)

    def _on_publish(
        self, _client: paho.Client, _data: object, mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self._sender.answered(mid, str(reason) if reason.is_failure else "")

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        self._subscriptions.heard(message.topic, bytes(message.payload), retained=message.retain)

    def _say_lost(self, why: str) -> None:
        if why != self.last_error:
            self.last_error = why
            log.warning("%s; events wait in the outbox and it is tried again", why)

    def _say(self, line: str) -> None:
        if line != self._said:
            self._said = line
            log.warning("%s", line)


class _Line:
    """paho's client as the sender sees it."""

    def __init__(self, client: paho.Client) -> None:
        self._client = client

    @property
    def jammed(self) -> bool:
        return self._client.want_write()

    def send(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> int | None:
        result = self._client.publish(topic, payload, qos=qos, retain=retain)
        # Its numbers have run out, or the connection is lost; the next one begins anew.
        return result.mid if result.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None


def check_broker(settings: Mqtt, password: str | None, *, timeout_s: float = 5.0) -> None:
    """Connect once and leave; raises `Unavailable` with the mend when the broker is not there or refuses us."""
    client = _client(settings, "", password, broker.tls_context(settings))
    client.connect_timeout = timeout_s
    answer: list[ReasonCode] = []
    client.on_connect = lambda _client, _data, _flags, reason, _properties: answer.append(reason)
    deadline = time.monotonic() + timeout_s
    try:
        client.connect(settings.host, settings.port)
    except (OSError, ValueError) as exc:
        raise Unavailable(broker.absence(settings, exc)) from exc
    while not answer and time.monotonic() < deadline and client.loop(timeout=0.1) == MQTTErrorCode.MQTT_ERR_SUCCESS:
        continue
    client.disconnect()
    if not answer:
        raise Unavailable(broker.loss(settings, accepted=False))
    if answer[0].is_failure:
        raise Unavailable(broker.refusal(settings, str(answer[0])))


def _client(settings: Mqtt, client_id: str, password: str | None, tls: ssl.SSLContext | None) -> paho.Client:
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        protocol=_VERSIONS[settings.version],
        clean_session=None if settings.version == "5" else True,
        reconnect_on_failure=False,
    )
    client.max_inflight_messages_set(_UNLIMITED)
    client.connect_timeout = _CONNECT_S
    if settings.username or password is not None:
        client.username_pw_set(settings.username, password)
    if tls is not None:
        client.tls_set_context(tls)
    return client


def _encode(payload: str | Mapping[str, Any]) -> bytes:
    return (payload if isinstance(payload, str) else dumps(payload, separators=(",", ":"))).encode()
