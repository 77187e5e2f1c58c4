"""Rate limit of commands. Pure: time is an argument.

Each command may cost a write to the disk, and a client that may write its topic can send thousands per second. Only
the latest command matters in the end, so of those that exceed the limit only that one is kept.
"""

from __future__ import annotations

BURST = 10
"""Commands of one topic that are admitted at once."""
RATE_HZ = 1.0
"""Commands per second after that."""
_TOPICS_MAX = 256  # topics of unknown sources count too; beyond it the oldest are forgotten


class RateLimiter:
    """A token bucket for each topic; the latest of the commands that exceed it waits."""

    def __init__(self) -> None:
        """Begin with full buckets."""
        self._credit: dict[str, tuple[float, float]] = {}  # tokens, and the time of the count
        self._waiting: dict[str, bytes] = {}

    def admit(self, topic: str, payload: bytes, now_s: float) -> bool:
        """Return whether a command may be obeyed now; if not, it replaces the waiting one."""
        if self._spend(topic, now_s):
            self._waiting.pop(topic, None)
            return True
        self._waiting[topic] = payload
        return False

    def take_due(self, now_s: float) -> list[tuple[str, bytes]]:
        """Remove and return the commands that may be obeyed now."""
        return [(topic, self._waiting.pop(topic)) for topic in list(self._waiting) if self._spend(topic, now_s)]

    def _spend(self, topic: str, now_s: float) -> bool:
        credit, since_s = self._credit.pop(topic, (float(BURST), now_s))
        credit = min(float(BURST), credit + (now_s - since_s) * RATE_HZ)
        taken = credit >= 1.0
        self._credit[topic] = (credit - taken, now_s)  # at the end, as the newest
        while len(self._credit) > _TOPICS_MAX:
            oldest = next(iter(self._credit))
            del self._credit[oldest]
            self._waiting.pop(oldest, None)
        return taken
