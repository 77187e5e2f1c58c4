"""Topics whose events the broker will not have. Pure: time is an argument.

Such a topic waits, and the others go on. After a pause one of its messages is offered: when that arrives, the rest may
follow, so the order within a topic holds whatever the broker thinks of it in the meantime.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

PAUSE_S = 30.0
"""After a refusal, before a message of the same topic is offered again."""


@dataclass
class _Refusal:
    reason: str
    first: int  # lowest sequence refused
    until_s: float
    asking: bool = False  # whether one message may be offered


class Refusals:
    """Which topics wait, why, and from which message on."""

    def __init__(self) -> None:
        """Begin with none."""
        self._topics: dict[str, _Refusal] = {}

    @property
    def reasons(self) -> dict[str, str]:
        """Why each topic waits."""
        return {topic: refusal.reason for topic, refusal in list(self._topics.items())}

    def add(self, topic: str, sequence: int, reason: str, now_s: float) -> None:
        """Have a topic wait: one of its messages was refused."""
        before = self._topics.get(topic)
        first = sequence if before is None else min(before.first, sequence)
        self._topics[topic] = _Refusal(reason, first, now_s + PAUSE_S)

    def accept(self, topic: str) -> bool:
        """Note that a message arrived; return whether its topic waited, and may go on."""
        refusal = self._topics.get(topic)
        if refusal is None or not refusal.asking:  # one that was sent before the refusal says nothing
            return False
        del self._topics[topic]
        return True

    def retry(self, now_s: float, in_flight: Collection[str]) -> int | None:
        """Let topics be asked for whose pause is over and of which nothing is on its way; return the first sequence."""
        due = [
            refusal
            for topic, refusal in self._topics.items()
            if not refusal.asking and refusal.until_s <= now_s and topic not in in_flight
        ]
        for refusal in due:
            refusal.asking = True
        return min((refusal.first for refusal in due), default=None)

    def restart(self, now_s: float) -> None:
        """Begin on a new connection: what was offered has no answer, and may be what the broker hung up at."""
        for refusal in self._topics.values():
            if refusal.asking:
                refusal.asking, refusal.until_s = False, now_s + PAUSE_S

    def forget_absent(self, in_flight: Collection[str]) -> None:
        """Forget the topics that were asked for in vain: the outbox was looked through and holds nothing of them."""
        for topic in [each for each, refusal in self._topics.items() if refusal.asking and each not in in_flight]:
            del self._topics[topic]

    def may_send(self, topic: str, in_flight: Collection[str]) -> bool:
        """Return whether a message of a topic may be sent; of one that waits, one at a time at most."""
        refusal = self._topics.get(topic)
        return refusal is None or (refusal.asking and topic not in in_flight)

    def __bool__(self) -> bool:
        """Return whether any topic waits."""
        return bool(self._topics)
