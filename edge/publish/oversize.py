"""Pause of topics that bring messages too large to read. Pure: time is an argument.

One such message ends the connection, and a retained one comes again with each subscription. So that events can be
sent, a topic with two of them in a row is not subscribed to for a while.
"""

from __future__ import annotations

OVERSIZE_PAUSE_S = 600.0
"""Seconds for which a topic is not subscribed to."""
_PATIENCE = 2  # messages too large in a row


class OversizeCounter:
    """Counter of messages too large in a row, for each topic filter."""

    def __init__(self) -> None:
        """Begin with no message counted."""
        self._counts: dict[str, int] = {}
        self._paused_until_s: dict[str, float] = {}

    def count(self, wanted: str, now_s: float) -> bool:
        """Count a message too large; return whether its filter is paused from now on."""
        self._counts[wanted] = self._counts.get(wanted, 0) + 1
        if self._counts[wanted] < _PATIENCE:
            return False
        self._paused_until_s[wanted] = now_s + OVERSIZE_PAUSE_S
        return True

    def reset(self, wanted: str) -> None:
        """Reset the count of a filter after a message of valid size."""
        self._counts.pop(wanted, None)

    def is_paused(self, wanted: str, now_s: float) -> bool:
        """Return whether a filter is paused."""
        return now_s < self._paused_until_s.get(wanted, 0.0)
