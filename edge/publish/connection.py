"""One connection to the broker, from its beginning to its end.

One thread owns it. paho calls back with its locks held and writes from any thread that publishes, so two threads can
lock each other out or tear a packet. All others leave what they have to say in the mailbox.
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

TURN_S = 1.0
"""How often the connection's health is looked at."""
GRACE_S = 0.5
"""For the last word, when what waited took all the time there was."""


@dataclass
class Leave:
    """When to disconnect."""

    wanted: threading.Event = field(default_factory=threading.Event)
    deadline_s: float = 0.0


class Connection:
    """Moves what the mailbox and the sender have, and hands on what comes, until it is lost or to be left."""

    def __init__(
        self,
        client: Client,
        settings: Mqtt,
        status: str,
        *,
        mail: Mailbox,
        sender: Sender,
        subscriptions: Subscriptions,
        leave: Leave,
        on_accepted: Callable[[], None],
        say: Callable[..., None],
    ) -> None:
        """Take a new client; `status` is the topic of the last will.

        `say` is told what does not work, as `logging` would be.
        """
        self._client, self._settings, self._status = client, settings, status
        self._mail, self._sender, self._subscriptions, self._leave = mail, sender, subscriptions, leave
        self._leaving = False
        self._on_accepted, self._say = on_accepted, say
        self._why: Unavailable | None = None
        self.accepted_s: float | None = None
        """When the broker accepted us."""
        client.will_set(status, "offline", qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish

    def keep(self) -> Unavailable:
        """Connect, keep the connection as long as it lasts, and return why it ended."""
        try:
            self._client.open()
        except (OSError, ValueError) as exc:
            return broker.absence(self._settings, exc)
        try:
            return self._keep()
        finally:
            self._sender.lost()
            if connection := self._client.socket():
                connection.close()

    def _keep(self) -> Unavailable:
        client, opened_s = self._client, time.monotonic()
        while client.socket() is not None:
            if self._leave.wanted.is_set() and self._may_leave():
                client.disconnect()  # behind what is on its way
                break
            if self.accepted_s is None and time.monotonic() - opened_s > CONNECT_S:
                return broker.silence(self._settings)
            self._sender.expire("the broker takes nothing at the moment")
            if self.accepted_s is not None and not client.jammed:
                self._subscriptions.ask(lambda topic: client.subscribe(topic, qos=1)[1])
                self._subscriptions.catch_up()
                self._sender.send(client, events=not self._leaving)
            self._turn()
        return self._why or self._cause(client.failure)

    def _cause(self, failure: OSError | None) -> Unavailable:
        """Return why the connection ended without a word of the broker's."""
        if isinstance(failure, TooLargeError):
            return Unavailable(self._subscriptions.too_large(failure.topic, failure.size))
        if isinstance(failure, ssl.SSLError):
            return broker.absence(self._settings, failure)
        return broker.loss(self._settings, accepted=self.accepted_s is not None)

    def _turn(self) -> None:
        """Wait until there is something to read, to write or to say, and move packets."""
        client = self._client
        connection: Any = client.socket()  # a socket, TLS around one, or None: what was sent has found it lost
        if connection is None:
            return
        # TLS reads more than was asked for; what it holds rings at no socket.
        held = bool(getattr(connection, "pending", int)())
        poll = select.poll()
        poll.register(self._mail.bell, select.POLLIN)
        poll.register(connection, select.POLLIN | (select.POLLOUT if client.want_write() else 0))
        leaves = self._leave.wanted.is_set()
        wait_s = 0.0 if held else GRACE_S / 10 if leaves else CALM_S if self._sender.paused else TURN_S
        ready = dict(poll.poll(wait_s * 1000.0))
        if not ready and not leaves:
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
        if self.accepted_s is None or now_s >= self._leave.deadline_s + GRACE_S:
            return True
        if self._leaving:
            return self._sender.quiet
        if now_s >= self._leave.deadline_s or (self._sender.quiet and self._sender.delivered_all):
            self._leaving = True
            self._mail.leave_state(self._status, b"stopped")
        return False

    # What paho tells

    def _on_connect(
        self, client: paho.Client, _data: object, _flags: object, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._why = broker.refusal(self._settings, str(reason))
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
            self._say("ignored a message on a topic that is no UTF-8")
            return
        self._subscriptions.heard(topic, bytes(message.payload), retained=message.retain)
