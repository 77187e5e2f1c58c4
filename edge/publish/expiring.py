"""Messages that must arrive within seconds or not at all. Thread-safe, and bounded; time is an argument."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge.publish.transport import UnsendableError

if TYPE_CHECKING:
    from collections.abc import Callable

EXPIRING_MAX = 64
"""Messages that wait for a connection; then the oldest go."""


@dataclass(frozen=True, eq=False)
class ExpiringMessage:
    """One message, and whom to tell what became of it."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    deadline_s: float
    on_done: Callable[[str], None] = field(repr=False)
    """Told nothing where the message arrived, or why it did not; once."""


class ExpiringQueue:
    """Messages in the order they were left, each of them waiting or on its way, until it is told what became of it.

    Nobody is told anything while the lock is held.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self._lock = threading.Lock()
        self._waiting: deque[ExpiringMessage] = deque()
        self._sent: dict[int, ExpiringMessage] = {}

    def __len__(self) -> int:
        """Return how many have not been told yet."""
        return len(self._waiting) + len(self._sent)

    @property
    def in_flight(self) -> int:
        """Messages sent and not answered."""
        return len(self._sent)

    def put(self, message: ExpiringMessage) -> None:
        """Queue a message; the oldest goes where too many wait."""
        with self._lock:
            oldest = self._waiting.popleft() if len(self._waiting) >= EXPIRING_MAX else None
            self._waiting.append(message)
        if oldest is not None:
            oldest.on_done("too many newer messages wait for the broker")

    def send(self, send: Callable[[ExpiringMessage], int | None]) -> bool:
        """Send the next message, if there is one; return whether it was taken. One that was not stays."""
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
        """Take the broker's answer to a message; return whether it was to one of these."""
        with self._lock:
            message = self._sent.pop(number, None)
        if message is not None:
            message.on_done(refusal)
        return message is not None

    def restart(self) -> None:
        """Begin on a new connection: what was on its way is sent again, before all others."""
        with self._lock:
            self._waiting.extendleft(reversed(self._sent.values()))
            self._sent.clear()

    def expire(self, now_s: float, why: str) -> None:
        """Give up what is too late: `why` it waited, or that there was no answer to it."""
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
