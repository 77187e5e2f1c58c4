"""How long the oldest message waits for the broker, whatever happens to the wall clock meanwhile."""

from __future__ import annotations

from edge.clock import running_s, unix_s
from edge.store.history import EARLIEST_MS


class OldestAge:
    """Counts from when a message was first seen to be the oldest, by a clock that nobody sets.

    Only how long it waited before that is the wall clock's word, as far as that is possible.
    """

    def __init__(self) -> None:
        """Begin now."""
        self._begun_s = running_s()
        self._seen = (-1, 0.0)  # the oldest message, and since when it waits

    def seconds(self, sequence: int, queued_s: float, *, inherited: bool) -> float:
        """Return the age of the oldest message, queued at `queued_s` in Unix seconds, perhaps by an earlier process."""
        now_s = running_s()
        known, since_s = self._seen
        if sequence != known:
            waited_s = max(0.0, unix_s() - queued_s)
            if not inherited:
                waited_s = min(waited_s, now_s - self._begun_s)
            elif queued_s * 1000.0 < EARLIEST_MS:
                waited_s = 0.0
            since_s = now_s - waited_s
            self._seen = (sequence, since_s)
        return max(0.0, now_s - since_s)
