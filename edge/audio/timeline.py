"""Which sample index was heard at which time, for a sound card and a clock that disagree a little."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timezone

_STEP_S = 1.0  # beyond this the wall clock was set, not read late
_CONFIRM_S = 2.0  # a read as late as that is followed by better ones sooner than this
_WINDOW_S = 30.0  # a quiet moment of the scheduler is met within this
_SLEW_S_PER_S = 1e-3  # faster than any sound card drifts (0.1 %), too slow to be seen
_SETTLE_S = 3.0  # the first reads may be late; until then an earlier one is believed at once


class Timeline:
    """Maps sample indices to UTC from pairs of "this index had been read at that moment".

    A read can be late but never early, so the smallest difference between the wall clock and the stream's own
    time is the true one: the offset follows the minimum of the last seconds, slowly. A difference of more than
    a second means that the wall clock was set, and is taken over. Not thread-safe for two writers; `utc` may be
    called from anywhere.
    """

    def __init__(self, rate_hz: int) -> None:
        """Begin without an anchor; `rate_hz` is the rate of the indices."""
        self._rate_hz = rate_hz
        self._offset_s: float | None = None
        self._first_s = self._last_s = self._agreed_s = 0.0
        self._lows: deque[tuple[float, float]] = deque()  # (stream time, offset), offsets rising: a sliding minimum

    @property
    def anchored(self) -> bool:
        """Whether any index has a time yet."""
        return self._offset_s is not None

    def anchor(self, index: int, unix_s: float) -> None:
        """Say that `index` is at `unix_s`, whatever was known before."""
        stream_s = index / self._rate_hz
        self._offset_s = unix_s - stream_s
        self._first_s = self._last_s = self._agreed_s = stream_s
        self._lows.clear()
        self._lows.append((stream_s, self._offset_s))

    def shift(self, step_s: float) -> None:
        """Follow a wall clock that was set by `step_s`, where nothing is observed."""
        if self._offset_s is not None:
            self._offset_s += step_s

    def observe(self, index_end: int, unix_s: float) -> None:
        """Say that the samples before `index_end` had been read by `unix_s`; indices must not fall."""
        stream_s = index_end / self._rate_hz
        offset_s = unix_s - stream_s
        if self._offset_s is None or offset_s < self._offset_s - _STEP_S:
            self.anchor(index_end, unix_s)
            return
        if offset_s <= self._offset_s + _STEP_S:
            self._agreed_s = stream_s
        elif stream_s - self._agreed_s >= _CONFIRM_S:
            self.anchor(index_end, unix_s)
            return
        low_s = self._sliding_minimum(stream_s, offset_s)
        room_s = _SLEW_S_PER_S * (stream_s - self._last_s)
        if low_s < self._offset_s and stream_s - self._first_s <= _SETTLE_S:
            self._offset_s = low_s
        else:
            self._offset_s += min(max(low_s - self._offset_s, -room_s), room_s)
        self._last_s = stream_s

    def utc(self, index: int) -> datetime:
        """Return when the sample of this index was heard; `RuntimeError` before the first observation."""
        if self._offset_s is None:
            msg = "the timeline has no anchor yet"
            raise RuntimeError(msg)
        return datetime.fromtimestamp(self._offset_s + index / self._rate_hz, timezone.utc)

    def _sliding_minimum(self, stream_s: float, offset_s: float) -> float:
        while self._lows and self._lows[-1][1] >= offset_s:
            self._lows.pop()
        self._lows.append((stream_s, offset_s))
        while self._lows[0][0] < stream_s - _WINDOW_S:
            self._lows.popleft()
        return self._lows[0][1]
