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
from edge.errors import Unavailable
from edge.jsontext import encoded
from edge.publish import broker
from edge.publish.client import CONNECT_S, Client
from edge.publish.connection import GRACE_S, POLL_S, Connection, StopRequest
from edge.publish.expiring import ExpiringMessage
from edge.publish.loglimit import LimitedLog
from edge.publish.mailbox import Mailbox
from edge.publish.retained import RetainedTopics
from edge.publish.sender import Sender
from edge.publish.subscriptions import Subscriptions
from edge.publish.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from paho.mqtt.reasoncodes import ReasonCode

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
        self._retained = RetainedTopics(store, self._mail)
        self._sender = Sender(store, self._mail, retained=self._retained, warn=self._warn, status=self._status)
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._stop_request = StopRequest()
        self._backoff = Backoff(_CAP_S)
        self._accepted = False
        self._brief_connections = 0
        self._last_warning = self._last_loss = self._last_fault = ""
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
        self._stop_request.deadline_s = time.monotonic() + timeout_s
        self._stop_request.wanted.set()
        self._mail.wake()
        if self._thread.is_alive():
            # Without a connection nothing can be said, and an attempt to make one may take longer than anybody waits.
            self._thread.join(timeout_s + 2 * GRACE_S if self._accepted else GRACE_S)
        if self._thread.is_alive():
            self._expire_all()
        else:
            self._close()

    def set_state(self, topic: str, payload: str | Mapping[str, Any]) -> None:
        """Keep `payload` as a topic's retained value: sent now if there is a broker, and at every new connection."""
        self._mail.put_state(topic, _encode(payload))

    def keep_only(
        self, wanted: Mapping[str, Mapping[str, str]], *, formerly: Iterable[str] = ()
    ) -> dict[str, dict[str, str]]:
        """Have the broker forget every retained topic of this node but these; see `RetainedTopics.replace`.

        To be called before the first `set_state`, and whenever other topics are wanted.
        """
        return self._retained.replace(wanted, formerly=formerly)

    def repeat(self, wanted: Iterable[str]) -> None:
        """Send the retained values of topics again."""
        self._mail.repeat(wanted)

    def publish_volatile(self, topic: str, payload: str | Mapping[str, Any]) -> None:
        """Send what is of use only now; without a broker nothing happens, and a slow one gets the newest."""
        if self._accepted:
            self._mail.put_volatile(topic, _encode(payload))

    def publish_expiring(
        self, topic: str, payload: bytes, *, qos: int, retain: bool, expire_s: float, on_done: Callable[[str], None]
    ) -> None:
        """Send within `expire_s` or not at all, through new connections where it must be.

        `on_done` is told once, nothing when the broker has it (with `qos` 0, when it was sent), or why it has not; it
        must not raise nor wait. It is called on the publisher's thread, or, where too many wait and the oldest goes, on
        that of whoever leaves the newest.
        """
        self._mail.put_expiring(ExpiringMessage(topic, payload, qos, retain, time.monotonic() + expire_s, on_done))

    def follow(self, topic: str, callback: Callable[[bytes], None]) -> None:
        """Have `callback` called with every payload of a topic, retained ones included, on the publisher's thread."""
        self._subscriptions.follow(topic, callback)
        self._mail.wake()

    def wake(self) -> None:
        """Send what is new in the outbox."""
        self._mail.notify_outbox()

    # The publisher's thread: one connection after the other

    def _run(self) -> None:
        while not self._stop_request.wanted.is_set():
            begin_s = time.monotonic()
            connection = self._new_connection()
            try:
                why = connection.run()
            except Exception as exc:
                why = broker.explain_fault(self._settings, exc)
                if why != self._last_fault:  # once: it may be the same at every attempt
                    self._last_fault = why
                    log.exception("the connection to the broker failed")
            self._accepted = False
            why = self._assess_end(why, connection.accepted_s)
            if self._stop_request.wanted.is_set():
                break
            self._warn_lost(why)
            if time.monotonic() - begin_s > CONNECT_S + STEADY_S:
                self._backoff.reset()
            self._wait(self._backoff.next_s())
        self._close()

    def _new_connection(self) -> Connection:
        return Connection(
            Client(self._settings, self._client_id, self._password, self._tls),
            self._settings,
            self._status,
            mail=self._mail,
            sender=self._sender,
            subscriptions=self._subscriptions,
            stop_request=self._stop_request,
            on_accepted=self._on_accepted,
            warn=self._warn,
        )

    def _on_accepted(self) -> None:
        self._accepted = True
        self.last_error = self._last_warning = self._last_fault = ""
        level = logging.INFO if self._brief_connections < _BRIEF_MAX else logging.DEBUG
        log.log(level, "connected to the broker at %s:%d", self._settings.host, self._settings.port)

    def _assess_end(self, why: str, accepted_s: float | None) -> str:
        """Return why the connection ended, seen together with those before it."""
        lasted_s = 0.0 if accepted_s is None else time.monotonic() - accepted_s
        if lasted_s > _BRIEF_S:
            self._last_loss = ""  # it was a good one: the next loss is news
        self._brief_connections = self._brief_connections + 1 if accepted_s is not None and lasted_s <= _BRIEF_S else 0
        unexplained = why == broker.explain_loss(self._settings, accepted=True)
        return broker.explain_rivalry(self._settings, self._client_id) if unexplained and self._brief_connections >= _BRIEF_MAX else why

    def _wait(self, seconds: float) -> None:
        """Wait before the next connection, and say in time what is too late."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0.0 and not self._stop_request.wanted.wait(min(left_s, POLL_S)):
            self._sender.expire(self.last_error)

    def _expire_all(self) -> None:
        self._mail.expiring.expire(math.inf, "the service stopped before there was a broker")

    def _close(self) -> None:
        self._expire_all()
        self._mail.close()

    def _warn_lost(self, why: str) -> None:
        self.last_error = why
        if why != self._last_loss:
            self._last_loss = why
            log.warning("%s; events wait in the outbox and it is tried again", why)

    def _warn(self, text: str, *args: object) -> None:
        line = text % args
        if line != self._last_warning:
            self._last_warning = line
            self._log.warning(text, *args)


def check_broker(settings: Mqtt, password: str | None, *, timeout_s: float = 5.0) -> None:
    """Connect once and leave; raises `Unavailable` with the mend when the broker is not there or refuses us."""
    broker.check_names(settings.client_id, settings.username, password)
    client = Client(settings, "", password, broker.tls_context(settings))
    client.connect_timeout = timeout_s
    answer: list[ReasonCode] = []
    client.on_connect = lambda _client, _data, _flags, reason, _properties: answer.append(reason)
    deadline = time.monotonic() + timeout_s
    try:
        client.open()
    except (OSError, ValueError) as exc:
        raise Unavailable(broker.explain_connect_error(settings, exc)) from exc
    while not answer and time.monotonic() < deadline and client.loop(timeout=0.1) == MQTTErrorCode.MQTT_ERR_SUCCESS:
        continue
    client.disconnect()
    if not answer:
        raise Unavailable(_explain_silence(settings, client.failure, late=time.monotonic() >= deadline))
    if answer[0].is_failure:
        raise Unavailable(broker.explain_refusal(settings, str(answer[0])))


def _explain_silence(settings: Mqtt, failure: OSError | None, *, late: bool) -> str:
    if isinstance(failure, ssl.SSLError):
        return broker.explain_connect_error(settings, failure)
    return broker.explain_silence(settings) if late else broker.explain_loss(settings, accepted=False)


def _encode(payload: str | Mapping[str, Any]) -> bytes:
    return payload.encode() if isinstance(payload, str) else encoded(payload)
