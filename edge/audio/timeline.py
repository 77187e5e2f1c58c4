"""Mapping of sample indices to UTC, for a sound card and a clock that drift."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timezone

_STEP_S = 1.0  # a larger difference means that the wall clock was set, not that a read was late
_CONFIRM_S = 2.0  # late reads end within this time; a longer difference means that the wall clock was set
_WINDOW_S = 30.0  # within this time at least one read is prompt
_SLEW_S_PER_S = 1e-3  # faster than the drift of any sound card (0.1 %), too slow to be noticed
_SETTLE_S = 3.0  # the first reads may be late; until then an earlier one is accepted at once


class Timeline:
    """Map from sample indices to UTC, estimated from the times at which indices were read.

    A read can be late but never early, so the smallest difference between the wall clock and the stream's own
    time is the best estimate: the offset slowly follows the minimum of the last seconds. A difference of more than
    a second means that the wall clock was set, and is adopted. Only one thread may write; any thread may call `utc`.
    """

    def __init__(self, rate_hz: int) -> None:
        """Start without an anchor; `rate_hz` is the rate of the indices."""
        self._rate_hz = rate_hz
        self._offset_s: float | None = None
        self._first_s = self._last_s = self._agreed_s = 0.0
        self._lows: deque[tuple[float, float]] = deque()  # (stream time, offset), offsets rising: a sliding minimum

    @property
    def anchored(self) -> bool:
        """Whether any index has a time yet."""
        return self._offset_s is not None

    def anchor(self, index: int, unix_s: float) -> None:
        """Set the time of `index` to `unix_s`, and discard earlier observations."""
        stream_s = index / self._rate_hz
        self._offset_s = unix_s - stream_s
        self._first_s = self._last_s = self._agreed_s = stream_s
        self._lows.clear()
        self._lows.append((stream_s, self._offset_s))

    def shift(self, step_s: float) -> None:
        """Shift all times by `step_s`, for a timeline that is anchored but not observed."""
        if self._offset_s is not None:
            self._offset_s += step_s

    def observe(self, index_end: int, unix_s: float) -> None:
        """Note that the samples before `index_end` had been read by `unix_s`.

        Indices must not decrease.
        """
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
        low_s = self._update_minimum(stream_s, offset_s)
        room_s = _SLEW_S_PER_S * (stream_s - self._last_s)
        if low_s < self._offset_s and stream_s - self._first_s <= _SETTLE_S:
            self._offset_s = low_s
        else:
            self._offset_s += min(max(low_s - self._offset_s, -room_s), room_s)
        self._last_s = stream_s

    def utc(self, index: int) -> datetime:
        """Return the time of the sample with this index.

        Raises `RuntimeError` before the first observation.
        """
        if self._offset_s is None:
            msg = "the timeline has no anchor yet"
            raise RuntimeError(msg)
        return datetime.fromtimestamp(self._offset_s + index / self._rate_hz, timezone.utc)

    def _update_minimum(self, stream_s: float, offset_s: float) -> float:
        while self._lows and self._lows[-1][1] >= offset_s:
            self._lows.pop()
        self._lows.append((stream_s, offset_s))
        while self._lows[0][0] < stream_s - _WINDOW_S:
            self._lows.popleft()
        return self._lows[0][1]
