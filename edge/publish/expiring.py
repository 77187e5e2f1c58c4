"""Messages with a deadline, in a bounded queue. Thread-safe; time is an argument."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge.publish.transport import UnsendableError

if TYPE_CHECKING:
    from collections.abc import Callable

EXPIRING_MAX = 64
"""Most messages that wait for a connection; beyond it the oldest are dropped."""


@dataclass(frozen=True, eq=False)
class ExpiringMessage:
    """A message with a deadline and a callback for its result."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    deadline_s: float
    on_done: Callable[[str], None] = field(repr=False)
    """Called once: with an empty text after the acknowledgement, or with the reason of a failure."""


class ExpiringQueue:
    """A queue of messages, each waiting or in flight until its result is known.

    No callback is called while the lock is held.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self._lock = threading.Lock()
        self._waiting: deque[ExpiringMessage] = deque()
        self._sent: dict[int, ExpiringMessage] = {}

    def __len__(self) -> int:
        """Return the number of messages without a result."""
        return len(self._waiting) + len(self._sent)

    @property
    def in_flight(self) -> int:
        """Number of messages sent and not answered."""
        return len(self._sent)

    def put(self, message: ExpiringMessage) -> None:
        """Queue a message; drop the oldest if too many wait."""
        with self._lock:
            oldest = self._waiting.popleft() if len(self._waiting) >= EXPIRING_MAX else None
            self._waiting.append(message)
        if oldest is not None:
            oldest.on_done("too many newer messages wait for the broker")

    def send(self, send: Callable[[ExpiringMessage], int | None]) -> bool:
        """Send the next message, if any; return whether `send` accepted it, else it stays."""
        with self._lock:
            if not self._waiting:
                return False
            message = self._waiting.popleft()
        try:
            number = send(message)
        except UnsendableError as exc:
            message.on_done(f"it cannot be sent: {exc}")
            return True
        with self._lock:
            if number is None:
                self._waiting.appendleft(message)
                return False
            if message.qos:
                self._sent[number] = message
        if not message.qos:
            message.on_done("")
        return True

    def handle_answer(self, number: int, refusal: str) -> bool:
        """Handle the broker's answer; return whether it belongs to a message of this queue."""
        with self._lock:
            message = self._sent.pop(number, None)
        if message is not None:
            message.on_done(refusal)
        return message is not None

    def restart(self) -> None:
        """Begin on a new connection: messages in flight are sent again, before all others."""
        with self._lock:
            self._waiting.extendleft(reversed(self._sent.values()))
            self._sent.clear()

    def expire(self, now_s: float, why: str) -> None:
        """Drop messages after their deadline; `why` is the reason for those that were not sent."""
        with self._lock:
            late = [message for message in self._waiting if message.deadline_s <= now_s]
            self._waiting = deque(message for message in self._waiting if message.deadline_s > now_s)
            unanswered = {number: message for number, message in self._sent.items() if message.deadline_s <= now_s}
            for number in unanswered:
                del self._sent[number]
        for message in late:
            message.on_done(why)
        for message in unanswered.values():
            message.on_done("the broker did not confirm it in time")
