"""A bound on how fast commands are obeyed. Pure: time is an argument.

Each command may cost a write to the disk, and anybody who may write its topic can send thousands a second. What holds
in the end is the latest, so of those that come too fast only that one is kept.
"""

from __future__ import annotations

BURST = 10
"""Commands of one topic that are obeyed at once."""
RATE_HZ = 1.0
"""How often after that."""
_TOPICS_MAX = 256  # commands for sources that do not exist have topics, too; then the oldest are forgotten


class RateLimiter:
    """Lets commands of a topic through at a bounded rate; the latest of those that come faster waits."""

    def __init__(self) -> None:
        """Begin with nothing waiting."""
        self._credit: dict[str, tuple[float, float]] = {}  # how many may go, as of when
        self._waiting: dict[str, bytes] = {}

    def admit(self, topic: str, payload: bytes, now_s: float) -> bool:
        """Return whether a command may be obeyed now; if not, it waits in place of the one before it."""
        if self._spend(topic, now_s):
            self._waiting.pop(topic, None)
            return True
        self._waiting[topic] = payload
        return False

    def take_due(self, now_s: float) -> list[tuple[str, bytes]]:
        """Take the commands that have waited long enough."""
        return [(topic, self._waiting.pop(topic)) for topic in list(self._waiting) if self._spend(topic, now_s)]

    def _spend(self, topic: str, now_s: float) -> bool:
        credit, since_s = self._credit.pop(topic, (float(BURST), now_s))
        credit = min(float(BURST), credit + (now_s - since_s) * RATE_HZ)
        taken = credit >= 1.0
        self._credit[topic] = (credit - taken, now_s)  # as the newest
        while len(self._credit) > _TOPICS_MAX:
            oldest = next(iter(self._credit))
            del self._credit[oldest]
            self._waiting.pop(oldest, None)
        return taken
