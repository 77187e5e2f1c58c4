"""Topics whose events the broker refuses. Pure: time is an argument.

Such a topic waits, and the others are sent. After a pause one of its messages is sent again: once that is acknowledged,
the rest may follow, so the order within a topic holds although the broker's rules may change meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

PAUSE_S = 30.0
"""Seconds after a refusal before a message of the same topic is sent again."""


@dataclass
class _Refusal:
    reason: str
    first: int  # lowest sequence refused
    until_s: float
    probing: bool = False  # whether one message may be sent


class Refusals:
    """Refused topics with their reasons and first refused messages."""

    def __init__(self) -> None:
        """Begin without a refused topic."""
        self._topics: dict[str, _Refusal] = {}

    @property
    def reasons(self) -> dict[str, str]:
        """The broker's reason for each refused topic."""
        return {topic: refusal.reason for topic, refusal in list(self._topics.items())}

    def add(self, topic: str, sequence: int, reason: str, now_s: float) -> None:
        """Add a topic of which a message was refused."""
        before = self._topics.get(topic)
        first = sequence if before is None else min(before.first, sequence)
        self._topics[topic] = _Refusal(reason, first, now_s + PAUSE_S)

    def accept(self, topic: str) -> bool:
        """Note an acknowledgement; return whether its topic waited and may now continue."""
        refusal = self._topics.get(topic)
        if refusal is None or not refusal.probing:  # a message sent before the refusal proves nothing
            return False
        del self._topics[topic]
        return True

    def retry(self, now_s: float, in_flight: Collection[str]) -> int | None:
        """Allow one message of each topic whose pause is over; return the first sequence.

        Topics with a message in flight are left out.
        """
        due = [
            refusal
            for topic, refusal in self._topics.items()
            if not refusal.probing and refusal.until_s <= now_s and topic not in in_flight
        ]
        for refusal in due:
            refusal.probing = True
        return min((refusal.first for refusal in due), default=None)

    def restart(self, now_s: float) -> None:
        """Begin on a new connection: pause topics whose trial message has no answer.

        It may be the reason why the broker ended the connection.
        """
        for refusal in self._topics.values():
            if refusal.probing:
                refusal.probing, refusal.until_s = False, now_s + PAUSE_S

    def forget_absent(self, in_flight: Collection[str]) -> None:
        """Forget topics without a message, after a complete scan of the outbox."""
        for topic in [each for each, refusal in self._topics.items() if refusal.probing and each not in in_flight]:
            del self._topics[topic]

    def may_send(self, topic: str, in_flight: Collection[str]) -> bool:
        """Return whether a message of a topic may be sent.

        Of a topic that is tried again, one message may be in flight.
        """
        refusal = self._topics.get(topic)
        return refusal is None or (refusal.probing and topic not in in_flight)

    def __bool__(self) -> bool:
        """Return whether any topic waits."""
        return bool(self._topics)
