"""Detection of digital silence and clipping from the samples."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from edge.types import SourceState

if TYPE_CHECKING:
    from numpy.typing import NDArray

SILENT_S = 10.0
_STILL = 1.5 / 32768  # one step of 16 bits: even in a quiet room a converter varies by more
_FULL_SCALE = 32766.5 / 32768
_CLIPPED_SHARE = 1e-3
_SPAN_S = 0.5
_SPANS = 4


class SignalMeter:
    """Meter of mono samples, without I/O.

    The rate may change between blocks, for example if another microphone is found.
    """

    def __init__(self) -> None:
        """Start in the state `online`."""
        self.silent_s = 0.0
        """Seconds of digital silence up to the last sample."""
        self.clipped_s = 0.0
        """Total of the half-second spans with at least 0.1 % of the samples at full scale, in seconds."""
        self._span_s, self._samples, self._full = 0.0, 0, 0
        self._spans: deque[tuple[int, int]] = deque(maxlen=_SPANS)

    def restart(self) -> None:
        """Reset the state but not the totals, after the source was opened again."""
        self.silent_s = 0.0
        self._span_s, self._samples, self._full = 0.0, 0, 0
        self._spans.clear()

    @property
    def state(self) -> SourceState:
        """State: `silent` after ten seconds of digital silence, `clipping` over the last two, else `online`."""
        if self.silent_s > SILENT_S:
            return SourceState.SILENT
        samples = self._samples + sum(samples for samples, _ in self._spans)
        full = self._full + sum(full for _, full in self._spans)
        return SourceState.CLIPPING if self._spans and full >= _CLIPPED_SHARE * samples else SourceState.ONLINE

    def push(self, samples: NDArray[np.float32], rate_hz: int) -> None:
        """Take the next samples, shape (n,)."""
        if not samples.size:
            return
        low, high = float(samples.min()), float(samples.max())
        self.silent_s = self.silent_s + samples.size / rate_hz if high - low < _STILL else 0.0
        self._samples += samples.size
        self._span_s += samples.size / rate_hz
        if max(high, -low) >= _FULL_SCALE:
            self._full += int(np.count_nonzero(np.abs(samples) >= _FULL_SCALE))
        if self._span_s >= _SPAN_S:
            if self._full >= _CLIPPED_SHARE * self._samples:
                self.clipped_s += self._span_s
            self._spans.append((self._samples, self._full))
            self._span_s, self._samples, self._full = 0.0, 0, 0
