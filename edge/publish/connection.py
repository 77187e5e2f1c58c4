"""One connection to the broker.

One thread owns it. paho calls back with its locks held and writes from any thread that publishes, so two threads could
deadlock or mix their packets. All other threads put their messages into the mailbox.
"""

from __future__ import annotations

import select
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edge.errors import Unavailable
from edge.publish import broker
from edge.publish.client import CONNECT_S, Client, TooLargeError
from edge.publish.suspects import CALM_S

if TYPE_CHECKING:
    from collections.abc import Callable

    import paho.mqtt.client as paho
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

    from edge.publish.mailbox import Mailbox
    from edge.publish.sender import Sender
    from edge.publish.subscriptions import Subscriptions
    from edge.settings.tree import Mqtt

POLL_S = 1.0
"""How often the connection is checked, at least."""
GRACE_S = 0.5
"""Time for the last status message after the deadline."""


@dataclass
class StopRequest:
    """A request to disconnect, with its deadline by the monotonic clock."""

    wanted: threading.Event = field(default_factory=threading.Event)
    deadline_s: float = 0.0


@dataclass(frozen=True)
class PublisherParts:
    """The parts of the publisher that every connection uses."""

    mail: Mailbox
    sender: Sender
    subscriptions: Subscriptions
    stop_request: StopRequest


class Connection:
    """A connection that sends and receives until it is lost or a stop is requested."""

    def __init__(
        self,
        client: Client,
        settings: Mqtt,
        status: str,
        parts: PublisherParts,
        *,
        on_accepted: Callable[[], None],
        warn: Callable[..., None],
    ) -> None:
        """Take a new client; `status` is the topic of the last will.

        `warn` logs as `logging` does.
        """
        self._client, self._settings, self._status = client, settings, status
        self._mail, self._sender = parts.mail, parts.sender
        self._subscriptions, self._stop_request = parts.subscriptions, parts.stop_request
        self._stopping = False
        self._on_accepted, self._warn = on_accepted, warn
        self._why: Unavailable | None = None
        self.accepted_s: float | None = None
        """When the broker accepted the connection, by the monotonic clock."""
        client.will_set(status, "offline", qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish

    def run(self) -> Unavailable:
        """Connect, serve the connection until it ends, and return why it ended."""
        try:
            self._client.open()
        except (OSError, ValueError) as exc:
            return broker.make_connect_error(self._settings, exc)
        try:
            return self._serve()
        finally:
            self._sender.end()
            if connection := self._client.socket():
                connection.close()

    def _serve(self) -> Unavailable:
        client, opened_s = self._client, time.monotonic()
        while client.socket() is not None:
            if self._stop_request.wanted.is_set() and self._may_disconnect():
                client.disconnect()  # after what is in flight
                break
            if self.accepted_s is None and time.monotonic() - opened_s > CONNECT_S:
                return broker.make_silence_error(self._settings)
            self._sender.expire("the broker takes nothing at the moment")
            if self.accepted_s is not None and not client.congested:
                self._subscriptions.subscribe_pending(lambda topic: client.subscribe(topic, qos=1)[1])
                self._subscriptions.catch_up()
                self._sender.send(client, events=not self._stopping)
            self._poll()
        return self._why or self._make_end_error(client.failure)

    def _make_end_error(self, failure: OSError | None) -> Unavailable:
        """Return why the connection ended, if the broker gave no reason."""
        if isinstance(failure, TooLargeError):
            return Unavailable(self._subscriptions.note_oversize(failure.topic, failure.size))
        if isinstance(failure, ssl.SSLError):
            return broker.make_connect_error(self._settings, failure)
        return broker.make_loss_error(self._settings, accepted=self.accepted_s is not None)

    def _poll(self) -> None:
        """Wait until there is something to read, write or send; read and write packets."""
        client = self._client
        connection: Any = client.socket()  # a socket, TLS around one, or None if sending found it lost
        if connection is None:
            return
        # TLS reads ahead; what it holds does not make the socket readable.
        held = bool(getattr(connection, "pending", int)())
        poll = select.poll()
        poll.register(self._mail.wake_receiver, select.POLLIN)
        poll.register(connection, select.POLLIN | (select.POLLOUT if client.want_write() else 0))
        leaves = self._stop_request.wanted.is_set()
        wait_s = 0.0 if held else GRACE_S / 10 if leaves else CALM_S if self._sender.paused else POLL_S
        ready = dict(poll.poll(wait_s * 1000.0))
        if not ready and not leaves:
            self._mail.outbox_changed.set()  # a periodic scan, in case a notification was missed
        if self._mail.wake_receiver.fileno() in ready:
            self._mail.clear_wakeup()
        moves = ready.get(connection.fileno(), 0)
        if held or moves & ~select.POLLOUT:  # reading also notices a lost connection
            client.loop_read()
        if moves & select.POLLOUT:
            client.loop_write()
        client.loop_misc()

    def _may_disconnect(self) -> bool:
        """Return whether to disconnect; `stopped` is sent last, when nothing waits or at the deadline."""
        now_s = time.monotonic()
        if self.accepted_s is None or now_s >= self._stop_request.deadline_s + GRACE_S:
            return True
        if self._stopping:
            return self._sender.quiet
        if now_s >= self._stop_request.deadline_s or (self._sender.quiet and self._sender.delivered_all):
            self._stopping = True
            self._mail.put_state(self._status, b"stopped")
        return False

    # Callbacks of paho

    def _on_connect(
        self, client: paho.Client, _data: object, _flags: object, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._why = broker.make_refusal_error(self._settings, str(reason))
            client.disconnect()
            return
        self._client.packet_max = getattr(properties, "MaximumPacketSize", None)
        self._sender.begin(quota=getattr(properties, "ReceiveMaximum", None))
        self._mail.begin(self._status, b"online")
        self._subscriptions.begin()
        self.accepted_s = time.monotonic()
        self._on_accepted()

    def _on_disconnect(
        self,
        _client: paho.Client,
        _data: object,
        flags: paho.DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._why = broker.make_refusal_error(self._settings, str(reason))

    def _on_subscribe(
        self, _client: paho.Client, _data: object, mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        refusal = next((str(reason) for reason in reasons if reason.is_failure), "")
        if line := self._subscriptions.handle_answer(mid, refusal):
            self._warn("%s", line)

    def _on_publish(
        self, _client: paho.Client, _data: object, mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self._sender.handle_answer(mid, str(reason) if reason.is_failure else "")

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            self._warn("ignored a message on a topic that is no UTF-8")
            return
        self._subscriptions.handle_message(topic, bytes(message.payload), retained=message.retain)
