"""Sending of the outbox on one connection after the other.

One message must not delay the others: a topic that the broker refuses waits by itself, and a message that no broker
would take is removed from the outbox.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.errors import StorageError, render
from edge.publish import broker, topics
from edge.publish.refusals import Refusals
from edge.publish.transport import TooLongError, UnsendableError
from edge.publish.window import SendWindow

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.publish.mailbox import Mailbox
    from edge.publish.transport import Transport
    from edge.store import OutboxRow, Store

WINDOW = 20
"""Most events sent and not acknowledged; the same number of states may be in flight beside them."""
_PATIENCE = 2  # connections in a row that are lost with events in flight and none answered
_SCAN_ROWS = 200  # rows of the outbox read together while some of them have to wait
_SCANS = 20  # such reads in one turn


class OutboxSender:
    """Sender of the outbox, in the order of each topic; used by one thread."""

    def __init__(
        self,
        store: Store,
        mail: Mailbox,
        *,
        count_free: Callable[[int], int],
        warn: Callable[..., None],
        clock: Callable[[], float],
    ) -> None:
        """Take the outbox, and the mailbox that tells of new messages.

        `count_free` returns how many of a number of messages the connection may carry now; `warn` logs as `logging`
        does.
        """
        self._store, self._mail, self._count_free, self._warn, self._clock = store, mail, count_free, warn, clock
        self._window = SendWindow(WINDOW)
        self._refusals = Refusals()
        self._answered = False  # whether an event was answered on this connection
        self._fruitless = 0  # connections in a row that were lost without an answer
        self.unsendable = 0
        """Messages removed from the outbox since the start because no broker would take them."""

    @property
    def in_flight(self) -> int:
        """Number of messages sent and not answered."""
        return self._window.in_flight

    @property
    def refused(self) -> dict[str, str]:
        """The broker's reason for each topic whose messages it refuses. Thread-safe."""
        return self._refusals.reasons

    @property
    def delivered_all(self) -> bool:
        """Whether every message is acknowledged and removed from the outbox."""
        return not (self._mail.outbox_changed.is_set() or self._window.in_flight or self._window.delivered)

    def begin(self) -> None:
        """Begin on a new connection with the first message in the outbox.

        Some brokers end the connection at a message that they refuse, before any was answered. If that happens
        repeatedly, messages are sent one by one, and the one at which the next connection is lost counts as refused.
        """
        lost = self._window.unanswered
        self._fruitless = self._fruitless + 1 if lost and not self._answered else 0
        self._answered = False
        if self._fruitless > _PATIENCE and len(lost) == 1:
            ((sequence, topic),) = lost
            self._refuse(sequence, topic, "it ends the connection at it; see its log")
            self._fruitless = 0
        self._window.size = 1 if self._fruitless >= _PATIENCE else WINDOW
        self._window.restart()
        self._refusals.restart(self._clock())

    def send(self, transport: Transport) -> None:
        """Send what the limits allow.

        A failure of the disk is logged, and the next call tries again.
        """
        try:
            self._send(transport)
        except StorageError as exc:
            self._mail.outbox_changed.set()
            self._warn("events wait: %s", exc)

    def handle_answer(self, number: int, refusal: str) -> None:
        """Handle the broker's answer to a message; one to other messages is ignored."""
        message = self._window.refuse(number) if refusal else self._window.acknowledge(number)
        if message is None:
            return
        self._answered = True
        sequence, topic = message
        if refusal:
            self._refuse(sequence, topic, render(refusal, remedy=broker.find_remedy(refusal)))
        elif self._refusals.accept(topic):
            self._rewind(sequence)

    def _refuse(self, sequence: int, topic: str, why: str) -> None:
        if topic not in self._refusals.reasons:
            self._warn("the broker refused an event, which waits: %s (%s)", why, topics.escape(topic))
        self._refusals.add(topic, sequence, why, self._clock())

    def _send(self, transport: Transport) -> None:
        while self._window.delivered:
            self._store.outbox_remove(self._window.delivered[0])
            self._window.remove_delivered()
        first = self._refusals.retry(self._clock(), self._window.list_topics())
        if first is not None:
            self._rewind(first - 1)
        if self._mail.outbox_changed.is_set() and self._count_room():
            self._mail.outbox_changed.clear()  # before the scan: a message that comes meanwhile sets it again
            if not self._scan(transport):
                self._mail.outbox_changed.set()

    def _rewind(self, sequence: int) -> None:
        """Scan the outbox again from behind a sequence."""
        self._window.rewind(sequence)
        self._mail.outbox_changed.set()

    def _count_room(self) -> int:
        return self._count_free(self._window.room)

    def _scan(self, transport: Transport) -> bool:
        """Send the messages that need not wait; return whether the outbox ends there."""
        for _ in range(_SCANS):
            limit = _SCAN_ROWS if self._refusals else self._count_room()
            if limit < 1:
                return False
            rows = self._store.outbox_peek(self._window.scanned, limit)
            for row in rows:
                if not (self._count_room() and self._send_row(transport, row)):
                    return False
                self._window.scanned = row.sequence
            if len(rows) < limit:
                self._refusals.forget_absent(self._window.list_topics())
                return True
        self._mail.wake()  # the scan continues after the other work of a turn
        return False

    def _send_row(self, transport: Transport, row: OutboxRow) -> bool:
        """Send a message unless it has to wait; return whether the scan may continue."""
        if self._window.contains(row.sequence) or not self._refusals.may_send(row.topic, self._window.list_topics()):
            return True
        try:
            number = transport.send(row.topic, row.payload, qos=1, retain=False)
        except TooLongError as exc:
            self._refuse(row.sequence, row.topic, str(exc))
            return True
        except UnsendableError as exc:
            self._discard(row, exc)
            return True
        if number is None:
            return False
        self._window.add(number, row.sequence, row.topic)
        return True

    def _discard(self, row: OutboxRow, why: UnsendableError) -> None:
        """Remove a message that no broker would take; it stays in the history."""
        self._store.outbox_remove(row.sequence)
        self.unsendable += 1
        text = "event %d for %s cannot be sent and is left out: %s"
        self._warn(text, row.sequence, topics.escape(row.topic), why)
