"""The broker: one connection after the other, and what goes over it.

A message leaves the outbox when the broker has acknowledged it, and not before. Every connection begins with a client
of its own and with the first message that is still in the outbox, so that the library's memory is never the only copy
and never sends behind our back; what was sent and not acknowledged is sent again, in order, with the same id.

One thread owns the connection. paho calls back with its locks held and writes from any thread that publishes, so two
threads can lock each other out or tear a packet. All others leave what they have to say in the mailbox.
"""

from __future__ import annotations

import json
import logging
import math
import select
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

from paho.mqtt.enums import MQTTErrorCode

from edge.backoff import STEADY_S, Backoff
from edge.errors import Unavailable
from edge.publish import broker, topics
from edge.publish.client import CONNECT_S, Client, TooLargeError
from edge.publish.loglimit import LimitedLog
from edge.publish.mailbox import Mailbox
from edge.publish.retained import Retained
from edge.publish.sender import Sender
from edge.publish.soon import Soon
from edge.publish.subscriptions import Subscriptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import paho.mqtt.client as paho
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

    from edge.settings import Mqtt
    from edge.store import Store

log = logging.getLogger("tocsin.mqtt")

_CAP_S = 30.0  # longest wait before the next attempt
_TURN_S = 1.0  # how often the connection's health is looked at
_BRIEF_S = 15.0  # a connection that was accepted and lasted less has not been a good one
_BRIEF_MAX = 3  # such connections in a row until somebody else is suspected
_GRACE_S = 0.5  # for the last word, when what waited took all the time there was


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
        """Check what can be checked without a broker; raises `ConfigError`, as for TLS files that cannot be used.

        `on_command` is told the part of a command's topic behind the node, ``mic/detect/set`` or ``away/set``, and its
        payload, on the publisher's thread; it raises `UsageError` for what it does not obey.
        """
        self._settings, self._password = settings, password
        self._client_id = settings.client_id or f"tocsin-{node}"
        broker.check_lengths(self._client_id, settings.username, password)
        self._subscriptions = Subscriptions(settings.base, node, on_command)
        self._status = topics.status(settings.base, node)
        self._tls = broker.tls_context(settings)
        self._mail = Mailbox()
        self._retained = Retained(store, self._mail)
        self._sender = Sender(
            store,
            self._mail,
            say=self._say,
            on_cleared=lambda topic, refused: self._retained.cleared(topic, refused=refused),
        )
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._stopping = threading.Event()
        self._deadline = 0.0
        self._leaving = False
        self._backoff = Backoff(_CAP_S)
        self._accepted = False
        self._accepted_s = 0.0
        self._brief = 0
        self._why = ""
        self._said = self._said_lost = self._fault = ""
        self._log = LimitedLog(log)
        self.last_error = ""
        """Why there is no connection, in one line."""

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us; a refused connection is none."""
        return self._accepted

    @property
    def refused(self) -> dict[str, str]:
        """Why the broker will not have the events of a topic, for each that waits therefore."""
        return self._sender.refused

    @property
    def unsendable(self) -> int:
        """Messages left out because no broker would take them, since the start."""
        return self._sender.unsendable

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

    def keep_only(
        self, wanted: Mapping[str, Mapping[str, str]], *, formerly: Iterable[str] = ()
    ) -> dict[str, dict[str, str]]:
        """Have the broker forget every retained topic of this node but these; see `Retained.settle`.

        To be called before the first `set_state`, and whenever other topics are wanted.
        """
        return self._retained.settle(wanted, formerly=formerly)

    def repeat(self, wanted: Iterable[str]) -> None:
        """Send the retained values of topics again."""
        self._mail.repeat(wanted)

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
                why = broker.fault(self._settings, exc)
                if why != self._fault:  # once: it may be the same at every attempt
                    self._fault = why
                    log.exception("the connection to the broker failed")
            why = self._judge(why)
            if self._stopping.is_set():
                break
            self._say_lost(why)
            if time.monotonic() - begin_s > CONNECT_S + STEADY_S:
                self._backoff.reset()
            self._rest(self._backoff.next_s())
        self._end()

    def _judge(self, why: str) -> str:
        """Return why the connection ended, seen together with those before it."""
        brief = self._accepted and time.monotonic() - self._accepted_s < _BRIEF_S
        if self._accepted and not brief:
            self._said_lost = ""  # it was a good one: the next loss is news
        self._accepted = False
        self._brief = self._brief + 1 if brief else 0
        unexplained = why == broker.loss(self._settings, accepted=True)
        return broker.rivalry(self._settings, self._client_id) if unexplained and self._brief >= _BRIEF_MAX else why

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
            client.open()
        except (OSError, ValueError) as exc:
            return broker.absence(self._settings, exc)
        opened_s = time.monotonic()
        while client.socket() is not None:
            if self._stopping.is_set() and self._may_leave():
                client.disconnect()  # behind what is on its way
                break
            if not self._accepted and time.monotonic() - opened_s > CONNECT_S:
                return broker.silence(self._settings)
            self._sender.expire("the broker takes nothing at the moment")
            if self._accepted and not client.jammed:
                self._subscriptions.ask(lambda topic: client.subscribe(topic, qos=1)[1])
                self._subscriptions.catch_up()
                self._sender.send(client, events=not self._leaving)
            self._turn(client)
        return self._why or self._cause(client.failure)

    def _cause(self, failure: OSError | None) -> str:
        """Return why the connection ended without a word of the broker's."""
        if isinstance(failure, TooLargeError):
            return self._subscriptions.too_large(failure.topic, failure.size)
        if isinstance(failure, ssl.SSLError):
            return broker.absence(self._settings, failure)
        return broker.loss(self._settings, accepted=self._accepted)

    def _new_client(self) -> Client:
        client = Client(self._settings, self._client_id, self._password, self._tls)
        client.will_set(self._status, "offline", qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        return client

    def _turn(self, client: Client) -> None:
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
        if isinstance(client, Client):
            client.packet_max = getattr(properties, "MaximumPacketSize", None)
        self._sender.begin(quota=getattr(properties, "ReceiveMaximum", None))
        self._mail.begin(self._status, b"online")
        self._subscriptions.begin()
        self._accepted, self._accepted_s = True, time.monotonic()
        self.last_error = self._said = self._fault = ""
        level = logging.INFO if self._brief < _BRIEF_MAX else logging.DEBUG
        log.log(level, "connected to the broker at %s:%d", self._settings.host, self._settings.port)

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
            self._say("%s", line)

    def _on_publish(
        self, _client: paho.Client, _data: object, mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self._sender.answered(mid, str(reason) if reason.is_failure else "")

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            self._log.warning("ignored a message on a topic that is no UTF-8")
            return
        self._subscriptions.heard(topic, bytes(message.payload), retained=message.retain)

    def _say_lost(self, why: str) -> None:
        self.last_error = why
        if why != self._said_lost:
            self._said_lost = why
            log.warning("%s; events wait in the outbox and it is tried again", why)

    def _say(self, text: str, *args: object) -> None:
        line = text % args
        if line != self._said:
            self._said = line
            self._log.warning(text, *args)


def check_broker(settings: Mqtt, password: str | None, *, timeout_s: float = 5.0) -> None:
    """Connect once and leave; raises `Unavailable` with the mend when the broker is not there or refuses us."""
    broker.check_lengths(settings.client_id, settings.username, password)
    client = Client(settings, "", password, broker.tls_context(settings))
    client.connect_timeout = timeout_s
    answer: list[ReasonCode] = []
    client.on_connect = lambda _client, _data, _flags, reason, _properties: answer.append(reason)
    deadline = time.monotonic() + timeout_s
    try:
        client.open()
    except (OSError, ValueError) as exc:
        raise Unavailable(broker.absence(settings, exc)) from exc
    while not answer and time.monotonic() < deadline and client.loop(timeout=0.1) == MQTTErrorCode.MQTT_ERR_SUCCESS:
        continue
    client.disconnect()
    if not answer:
        raise Unavailable(_unanswered(settings, client.failure, late=time.monotonic() >= deadline))
    if answer[0].is_failure:
        raise Unavailable(broker.refusal(settings, str(answer[0])))


def _unanswered(settings: Mqtt, failure: OSError | None, *, late: bool) -> str:
    if isinstance(failure, ssl.SSLError):
        return broker.absence(settings, failure)
    return broker.silence(settings) if late else broker.loss(settings, accepted=False)


def _encode(payload: str | Mapping[str, Any]) -> bytes:
    return (payload if isinstance(payload, str) else json.dumps(payload, separators=(",", ":"))).encode()
