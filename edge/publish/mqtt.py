"""Publishing at the broker, over one connection after the other.

A message leaves the outbox when the broker has acknowledged it, and not before. Every connection begins with a client
of its own and with the first message that is still in the outbox, so that the library's memory is never the only copy
and never sends behind our back; what was sent and not acknowledged is sent again, in order, with the same id.
"""

from __future__ import annotations

import logging
import math
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

from paho.mqtt.enums import MQTTErrorCode

from edge.backoff import STEADY_S, Backoff
from edge.jsontext import encode
from edge.publish import broker
from edge.publish.client import CONNECT_S, Client
from edge.publish.connection import GRACE_S, TURN_S, Connection, Leave
from edge.publish.loglimit import LimitedLog
from edge.publish.mailbox import Mailbox
from edge.publish.retained import Retained
from edge.publish.sender import Sender
from edge.publish.soon import Soon
from edge.publish.subscriptions import Subscriptions
from edge.publish.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from paho.mqtt.reasoncodes import ReasonCode

    from edge.errors import Unavailable
    from edge.settings.tree import Mqtt
    from edge.store import Store

log = logging.getLogger("tocsin.mqtt")

_CAP_S = 30.0  # longest wait before the next attempt
# A connection that was accepted and lasted less has not been a good one. Other clients come back after up to 30 s, and
# a link that died without a word is noticed after 45 s.
_BRIEF_S = 40.0
_BRIEF_MAX = 3  # such connections in a row until somebody else is suspected


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
        broker.check_names(self._client_id, settings.username, password)
        topics = Topics(settings.base, node)
        self._subscriptions = Subscriptions(topics, on_command)
        self._status = topics.status
        self._tls = broker.tls_context(settings)
        self._mail = Mailbox()
        self._retained = Retained(store, self._mail)
        self._sender = Sender(store, self._mail, retained=self._retained, say=self._say, status=self._status)
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._leave = Leave()
        self._backoff = Backoff(_CAP_S)
        self._accepted = False
        self._brief = 0
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
        self._leave.deadline_s = time.monotonic() + timeout_s
        self._leave.wanted.set()
        self._mail.ring()
        if self._thread.is_alive():
            # Without a connection nothing can be said, and an attempt to make one may take longer than anybody waits.
            self._thread.join(timeout_s + 2 * GRACE_S if self._accepted else GRACE_S)
        if self._thread.is_alive():
            self._give_up()
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
        while not self._leave.wanted.is_set():
            begin_s = time.monotonic()
            connection = self._new_connection()
            try:
                why = connection.keep()
            except Exception as exc:
                why = broker.fault(self._settings, exc)
                if str(why) != self._fault:  # once: it may be the same at every attempt
                    self._fault = str(why)
                    log.exception("the connection to the broker failed")
            self._accepted = False
            why = self._judge(why, connection.accepted_s)
            if self._leave.wanted.is_set():
                break
            self._say_lost(str(why))
            if time.monotonic() - begin_s > CONNECT_S + STEADY_S:
                self._backoff.reset()
            self._rest(self._backoff.next_s())
        self._end()

    def _new_connection(self) -> Connection:
        return Connection(
            Client(self._settings, self._client_id, self._password, self._tls),
            self._settings,
            self._status,
            mail=self._mail,
            sender=self._sender,
            subscriptions=self._subscriptions,
            leave=self._leave,
            on_accepted=self._on_accepted,
            say=self._say,
        )

    def _on_accepted(self) -> None:
        self._accepted = True
        self.last_error = self._said = self._fault = ""
        level = logging.INFO if self._brief < _BRIEF_MAX else logging.DEBUG
        log.log(level, "connected to the broker at %s:%d", self._settings.host, self._settings.port)

    def _judge(self, why: Unavailable, accepted_s: float | None) -> Unavailable:
        """Return why the connection ended, seen together with those before it."""
        lasted_s = 0.0 if accepted_s is None else time.monotonic() - accepted_s
        if lasted_s > _BRIEF_S:
            self._said_lost = ""  # it was a good one: the next loss is news
        self._brief = self._brief + 1 if accepted_s is not None and lasted_s <= _BRIEF_S else 0
        unexplained = isinstance(why, broker.ConnectionLost)
        return broker.rivalry(self._settings, self._client_id) if unexplained and self._brief >= _BRIEF_MAX else why

    def _rest(self, seconds: float) -> None:
        """Wait before the next connection, and say in time what is too late."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0.0 and not self._leave.wanted.wait(min(left_s, TURN_S)):
            self._sender.expire(self.last_error)

    def _give_up(self) -> None:
        self._mail.soon.expire(math.inf, "the service stopped before there was a broker")

    def _end(self) -> None:
        self._give_up()
        self._mail.close()

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
    """Connect once and leave; raises `Unavailable` with the remedy when the broker is not there or refuses us."""
    broker.check_names(settings.client_id, settings.username, password)
    client = Client(settings, "", password, broker.tls_context(settings))
    client.connect_timeout = timeout_s
    answer: list[ReasonCode] = []
    client.on_connect = lambda _client, _data, _flags, reason, _properties: answer.append(reason)
    deadline = time.monotonic() + timeout_s
    try:
        client.open()
    except (OSError, ValueError) as exc:
        raise broker.absence(settings, exc) from exc
    while not answer and time.monotonic() < deadline and client.loop(timeout=0.1) == MQTTErrorCode.MQTT_ERR_SUCCESS:
        continue
    client.disconnect()
    if not answer:
        raise _unanswered(settings, client.failure, late=time.monotonic() >= deadline)
    if answer[0].is_failure:
        raise broker.refusal(settings, str(answer[0]))


def _unanswered(settings: Mqtt, failure: OSError | None, *, late: bool) -> Unavailable:
    if isinstance(failure, ssl.SSLError):
        return broker.absence(settings, failure)
    return broker.silence(settings) if late else broker.loss(settings, accepted=False)


def _encode(payload: str | Mapping[str, Any]) -> bytes:
    return payload.encode() if isinstance(payload, str) else encode(payload)
