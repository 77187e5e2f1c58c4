"""Age of the oldest message in the outbox, independent of changes of the wall clock."""

from __future__ import annotations

from edge.clock import running_s, unix_s
from edge.store.history import EARLIEST_MS


class OldestAge:
    """Age of the oldest message by the monotonic clock.

    Only the time before the message became the oldest comes from the wall clock, limited to what is possible.
    """

    def __init__(self) -> None:
        """Note the time of the start."""
        self._start_s = running_s()
        self._seen = (-1, 0.0)  # the oldest message, and when it began to wait

    def measure(self, sequence: int, queued_s: float, *, inherited: bool) -> float:
        """Return the age of the oldest message, in seconds.

        `queued_s` is when it was queued, in Unix seconds; `inherited` tells whether an earlier process queued it.
        """
        now_s = running_s()
        known, since_s = self._seen
        if sequence != known:
            waited_s = max(0.0, unix_s() - queued_s)
            if not inherited:
                waited_s = min(waited_s, now_s - self._start_s)
            elif queued_s * 1000.0 < EARLIEST_MS:
                waited_s = 0.0
            since_s = now_s - waited_s
            self._seen = (sequence, since_s)
        return max(0.0, now_s - since_s)
