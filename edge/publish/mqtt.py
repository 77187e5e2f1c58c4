"""MQTT publisher, over one connection after the other.

A message is removed from the outbox when the broker has acknowledged it, and not before. Every connection has a client
of its own and begins with the first message in the outbox, so that the library's memory is never the only copy and
never sends on its own; what was sent and not acknowledged is sent again, in order, with the same id.
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
from edge.publish.connection import GRACE_S, POLL_S, Connection, PublisherParts, StopRequest
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

    from edge.errors import Unavailable
    from edge.settings.tree import Mqtt
    from edge.store import Store

log = logging.getLogger("tocsin.mqtt")

_CAP_S = 30.0  # longest wait before the next connection
# An accepted connection that lasted less counts as brief. Other clients come back after up to 30 s, and a link that
# broke without notice is detected after 45 s.
_BRIEF_S = 40.0
_BRIEF_MAX = 3  # brief connections in a row before a second client with the same id is suspected


class MqttPublisher:
    """A publisher of states, and of events from the store's outbox.

    Every method is thread-safe, and none but `stop` blocks.
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
        """Check the settings without a broker; raises `ConfigError`, for example for unusable TLS files.

        `on_command` is called on the publisher's thread with the part of a command's topic after the node,
        ``mic/detect/set`` or ``away/set``, and its payload; it raises `UsageError` for an invalid command.
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
        """The reason why there is no connection, in one line."""

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted the connection."""
        return self._accepted

    @property
    def refused(self) -> dict[str, str]:
        """The broker's reason for each topic whose events it refuses."""
        return self._sender.refused

    @property
    def unsendable(self) -> int:
        """Messages left out since the start because no broker would accept them."""
        return self._sender.unsendable

    def start(self) -> None:
        """Start the publisher's thread, which connects."""
        self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        """Wait up to `timeout_s` for acknowledgements, publish `stopped`, and disconnect."""
        self._stop_request.deadline_s = time.monotonic() + timeout_s
        self._stop_request.wanted.set()
        self._mail.wake()
        if self._thread.is_alive():
            # Without a connection nothing can be sent, and an attempt to connect may take longer than `timeout_s`.
            self._thread.join(timeout_s + 2 * GRACE_S if self._accepted else GRACE_S)
        if self._thread.is_alive():
            self._expire_all()
        else:
            self._close()

    def set_state(self, topic: str, payload: str | Mapping[str, Any]) -> None:
        """Set a topic's retained value, sent now and on every new connection."""
        self._mail.put_state(topic, _encode(payload))

    def keep_only(
        self, wanted: Mapping[str, Mapping[str, str]], *, formerly: Iterable[str] = ()
    ) -> dict[str, dict[str, str]]:
        """Clear every other retained topic of this node; see `RetainedTopics.replace`.

        To be called before the first `set_state`, and whenever the wanted topics change.
        """
        return self._retained.replace(wanted, formerly=formerly)

    def repeat(self, wanted: Iterable[str]) -> None:
        """Send the retained values of topics again."""
        self._mail.repeat(wanted)

    def publish_volatile(self, topic: str, payload: str | Mapping[str, Any]) -> None:
        """Send a volatile message.

        Without a connection it is dropped; on a slow one the oldest are dropped.
        """
        if self._accepted:
            self._mail.put_volatile(topic, _encode(payload))

    def publish_expiring(
        self, topic: str, payload: bytes, *, qos: int, retain: bool, expire_s: float, on_done: Callable[[str], None]
    ) -> None:
        """Send a message within `expire_s` or not at all, also on a new connection.

        `on_done` is called once, with nothing after the acknowledgement (with `qos` 0, after sending) or with the
        reason of a failure; it must neither raise nor block. It is called on the publisher's thread, or on the caller's
        if the oldest message is dropped for a new one.
        """
        self._mail.put_expiring(ExpiringMessage(topic, payload, qos, retain, time.monotonic() + expire_s, on_done))

    def follow(self, topic: str, callback: Callable[[bytes], None]) -> None:
        """Call `callback` on the publisher's thread with every payload of a topic, also retained ones."""
        self._subscriptions.follow(topic, callback)
        self._mail.wake()

    def wake(self) -> None:
        """Send the new messages of the outbox."""
        self._mail.notify_outbox()

    # The publisher's thread: one connection after the other

    def _run(self) -> None:
        while not self._stop_request.wanted.is_set():
            begin_s = time.monotonic()
            connection = self._new_connection()
            try:
                why = connection.run()
            except Exception as exc:
                why = broker.make_unexpected_error(self._settings, exc)
                if str(why) != self._last_fault:  # logged once: it may repeat at every attempt
                    self._last_fault = str(why)
                    log.exception("the connection to the broker failed")
            self._accepted = False
            why = self._assess_end(why, connection.accepted_s)
            if self._stop_request.wanted.is_set():
                break
            self._warn_lost(str(why))
            if time.monotonic() - begin_s > CONNECT_S + STEADY_S:
                self._backoff.reset()
            self._wait(self._backoff.next_s())
        self._close()

    def _new_connection(self) -> Connection:
        return Connection(
            Client(self._settings, self._client_id, self._password, self._tls),
            self._settings,
            self._status,
            PublisherParts(self._mail, self._sender, self._subscriptions, self._stop_request),
            on_accepted=self._on_accepted,
            warn=self._warn,
        )

    def _on_accepted(self) -> None:
        self._accepted = True
        self.last_error = self._last_warning = self._last_fault = ""
        level = logging.INFO if self._brief_connections < _BRIEF_MAX else logging.DEBUG
        log.log(level, "connected to the broker at %s:%d", self._settings.host, self._settings.port)

    def _assess_end(self, why: Unavailable, accepted_s: float | None) -> Unavailable:
        """Return why the connection ended, also judged by the connections before it."""
        lasted_s = 0.0 if accepted_s is None else time.monotonic() - accepted_s
        if lasted_s > _BRIEF_S:
            self._last_loss = ""  # after a long connection the next loss is logged again
        self._brief_connections = self._brief_connections + 1 if accepted_s is not None and lasted_s <= _BRIEF_S else 0
        unexplained = isinstance(why, broker.ConnectionLost)
        if unexplained and self._brief_connections >= _BRIEF_MAX:
            return broker.make_rivalry_error(self._settings, self._client_id)
        return why

    def _wait(self, seconds: float) -> None:
        """Wait before the next connection, and expire messages meanwhile."""
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
            log.warning("%s; events wait in the outbox, and the connection is tried again", why)

    def _warn(self, text: str, *args: object) -> None:
        line = text % args
        if line != self._last_warning:
            self._last_warning = line
            self._log.warning(text, *args)


def check_broker(settings: Mqtt, password: str | None, *, timeout_s: float = 5.0) -> None:
    """Connect once and disconnect; raises `Unavailable` if the broker is unreachable or refuses."""
    broker.check_names(settings.client_id, settings.username, password)
    client = Client(settings, "", password, broker.tls_context(settings))
    client.connect_timeout = timeout_s
    answer: list[ReasonCode] = []
    client.on_connect = lambda _client, _data, _flags, reason, _properties: answer.append(reason)
    deadline = time.monotonic() + timeout_s
    try:
        client.open()
    except (OSError, ValueError) as exc:
        raise broker.make_connect_error(settings, exc) from exc
    while not answer and time.monotonic() < deadline and client.loop(timeout=0.1) == MQTTErrorCode.MQTT_ERR_SUCCESS:
        continue
    client.disconnect()
    if not answer:
        raise _make_no_answer_error(settings, client.failure, late=time.monotonic() >= deadline)
    if answer[0].is_failure:
        raise broker.make_refusal_error(settings, str(answer[0]))


def _make_no_answer_error(settings: Mqtt, failure: OSError | None, *, late: bool) -> Unavailable:
    if isinstance(failure, ssl.SSLError):
        return broker.make_connect_error(settings, failure)
    return broker.make_silence_error(settings) if late else broker.make_loss_error(settings, accepted=False)


def _encode(payload: str | Mapping[str, Any]) -> bytes:
    return payload.encode() if isinstance(payload, str) else encode(payload)
