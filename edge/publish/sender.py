"""Order and limits of what is sent on a connection.

Expiring messages go first, then states, the outbox, and volatile messages. Nothing here knows MQTT's packets or
sockets: a `Transport` takes messages and gives each a number, and reports the broker's answer later. Used by one
thread.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from edge.errors import render
from edge.publish import broker, topics
from edge.publish.outbox_sender import WINDOW, OutboxSender
from edge.publish.suspects import Suspects
from edge.publish.transport import UnsendableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.publish.expiring import ExpiringMessage
    from edge.publish.mailbox import Mailbox
    from edge.publish.retained import RetainedTopics
    from edge.publish.transport import Transport
    from edge.store import Store

_UNLIMITED = 65_535  # the protocol's own bound


class Sender:
    """Sender of all messages within the limits of the broker."""

    def __init__(
        self,
        store: Store,
        mail: Mailbox,
        *,
        retained: RetainedTopics,
        warn: Callable[..., None],
        status: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the sources of messages; `warn` logs as `logging` does.

        The state on `status` is never withheld: a broker that forbids it forbids the last will as well.
        """
        self._mail, self._retained, self._warn, self._clock = mail, retained, warn, clock
        self._status = status
        self._outbox = OutboxSender(store, mail, count_free=self._count_free, warn=warn, clock=clock)
        self._states: dict[int, tuple[str, bool]] = {}  # by number: the topic, and whether it is cleared
        self._quota = _UNLIMITED
        self._suspects = Suspects()

    def begin(self, quota: int | None) -> None:
        """Begin on a new connection, which carries at most `quota` unanswered messages."""
        if topic := self._suspects.begin(self._clock()):
            text = "the broker ends the connection at the state on %s, which is withheld; see its log"
            self._warn(text, topics.escape(topic))
        self._outbox.begin()
        self._states.clear()
        self._mail.expiring.restart()
        self._quota = quota or _UNLIMITED

    def end(self) -> None:
        """Note the end of the connection."""
        if not self._states:
            self._suspects.check_calm(self._clock())

    @property
    def refused(self) -> dict[str, str]:
        """The broker's reason for each topic whose events it refuses. Thread-safe."""
        return self._outbox.refused

    @property
    def unsendable(self) -> int:
        """Messages removed from the outbox since the start because no broker would take them."""
        return self._outbox.unsendable

    @property
    def paused(self) -> bool:
        """Whether a state waits only for the pause after an answer."""
        return self._suspects.probing and self._mail.has_states and not self._states

    @property
    def quiet(self) -> bool:
        """Whether all states and expiring messages are acknowledged."""
        return not (self._mail.has_states or self._states or self._mail.expiring)

    @property
    def delivered_all(self) -> bool:
        """Whether every event is acknowledged and removed from the outbox."""
        return self._outbox.delivered_all

    def send(self, transport: Transport, *, events: bool = True) -> None:
        """Send what the limits allow; without `events` nothing from the outbox."""
        self._retained.save()

        def send_expiring(message: ExpiringMessage) -> int | None:
            return transport.send(message.topic, message.payload, qos=message.qos, retain=message.retain)

        while self._count_free(WINDOW - self._mail.expiring.in_flight) and self._mail.expiring.send(send_expiring):
            pass
        if not (events and self._suspects.careful):
            self._send_states(transport, WINDOW)
            if events:
                self._outbox.send(transport)
        elif not self._states and self._suspects.check_calm(self._clock()):
            self._outbox.send(transport)
            if not self._outbox.in_flight:
                self._send_states(transport, 1)
        self._check_states()
        while not transport.congested and (message := self._mail.next_volatile()):
            if self._suspects.probing:
                continue
            with contextlib.suppress(UnsendableError):  # the states of the same topics are logged
                transport.send(*message, qos=0, retain=False)

    def expire(self, why: str) -> None:
        """Drop expiring messages that are too late; `why` is the reason they were not sent."""
        self._mail.expiring.expire(self._clock(), why)

    def handle_answer(self, number: int, refusal: str = "") -> None:
        """Handle the broker's answer to a message: an acknowledgement, or the reason of a refusal."""
        remedy = broker.find_remedy(refusal)
        reason = render(f"the broker refused the message: {refusal}", remedy=remedy) if refusal else ""
        if self._mail.expiring.handle_answer(number, reason):
            return
        state = self._states.pop(number, None)
        if state is None:
            self._outbox.handle_answer(number, refusal)
        else:
            self._handle_state_answer(*state, refusal)

    def _count_free(self, window: int) -> int:
        """Return how many of `window` messages the connection may carry now."""
        in_flight = self._outbox.in_flight + len(self._states) + self._mail.expiring.in_flight
        return max(0, min(window, self._quota - in_flight))

    # States

    def _send_states(self, transport: Transport, window: int) -> None:
        def send_state(topic: str, payload: bytes) -> bool:
            return self._suspects.withholds(topic) or self._send_state(transport, topic, payload)

        while self._count_free(window - len(self._states)) and self._mail.send_state(send_state):
            pass

    def _send_state(self, transport: Transport, topic: str, payload: bytes) -> bool:
        try:
            number = transport.send(topic, payload, qos=1, retain=True)
        except UnsendableError as exc:
            self._warn("a state on %s cannot be published: %s", topics.escape(topic), exc)
            return True
        if number is not None:
            self._states[number] = (topic, not payload)
            if topic != self._status:
                self._suspects.note_sent(topic)
        return number is not None

    def _check_states(self) -> None:
        """Note when all states are acknowledged, and then send a withheld one again."""
        if self._states or self._mail.has_states or not self._suspects.check_calm(self._clock()):
            return
        if topic := self._suspects.note_complete(self._clock()):
            self._mail.repeat([topic])

    def _handle_state_answer(self, topic: str, cleared: bool, refusal: str) -> None:  # noqa: FBT001 - as it is stored
        self._suspects.note_answer(self._clock())
        if refusal:
            text = "the broker refused the state on %s: %s; %s"
            self._warn(text, topics.escape(topic), refusal, broker.find_remedy(refusal))
        if cleared:
            self._retained.confirm_cleared(topic, refused=bool(refusal))
