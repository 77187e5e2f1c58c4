"""Which topics bring messages too large to read, and are therefore left alone for a while. Pure: time is an argument.

One such message costs the connection, and a retained one comes again with each subscription. Events must go on, so a
topic that does it twice in a row is not subscribed to until a while has passed.
"""

from __future__ import annotations

OVERSIZE_PAUSE_S = 600.0
"""Seconds for which a topic is left alone."""
_PATIENCE = 2  # messages too large, one after the other


class OversizeCounter:
    """Counts, for each topic filter, the messages too large since the last one of fair size."""

    def __init__(self) -> None:
        """Begin without a count."""
        self._counts: dict[str, int] = {}
        self._paused_until_s: dict[str, float] = {}

    def count(self, wanted: str, now_s: float) -> bool:
        """Count a message too large for a filter; return whether it is left alone from now on."""
        self._counts[wanted] = self._counts.get(wanted, 0) + 1
        if self._counts[wanted] < _PATIENCE:
            return False
        self._paused_until_s[wanted] = now_s + OVERSIZE_PAUSE_S
        return True

    def reset(self, wanted: str) -> None:
        """Forget what was counted: a message of fair size came."""
        self._counts.pop(wanted, None)

    def is_paused(self, wanted: str, now_s: float) -> bool:
        """Return whether a filter is left alone."""
        return now_s < self._paused_until_s.get(wanted, 0.0)
