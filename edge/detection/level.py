"""A-weighted sound levels from the front end's power spectra (IEC 61672-1).

Levels are of the band below half the front end's rate, in dB re the mean square of a full-scale sine plus the
calibration offset. Levels of a microphone that is not calibrated compare moments, not places; every message has a flag
for that.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge.types import Level

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.frontend.params import FrontEndParams

_FAST_S = 0.125  # time constant of the F weighting
_FULL_SCALE_SINE = 0.5  # mean square
_SILENCE = 1e-13  # lower bound that keeps the logarithm finite: -127 dB
HISTORY_S = 16.0


@functools.lru_cache(maxsize=8)
def a_weights(params: FrontEndParams) -> NDArray[np.float32]:
    """Return the A weighting of each bin's power, shape (n_fft // 2 + 1,).

    It is 1 at 1 kHz.
    """
    f2 = np.square(np.arange(params.n_fft // 2 + 1) * (params.sample_rate_hz / params.n_fft))

    def response(square: NDArray[np.float64]) -> NDArray[np.float64]:
        numerator = 12194.0**2 * square**2
        shelf = np.sqrt((square + 107.7**2) * (square + 737.9**2))
        return np.asarray(numerator / ((square + 20.6**2) * shelf * (square + 12194.0**2)))

    weights = np.square(response(f2) / response(np.asarray(1e6)))
    result: NDArray[np.float32] = weights.astype(np.float32)
    result.setflags(write=False)
    return result


def to_db(mean_square: float, offset_db: float) -> float:
    """Return a mean square as dB re a full-scale sine, plus the offset."""
    return 10.0 * math.log10(max(mean_square, _SILENCE) / _FULL_SCALE_SINE) + offset_db


def _replace_nonfinite(energies: list[float]) -> list[float]:
    """Replace energies that are not finite by 0, because a running average would keep them."""
    return energies if math.isfinite(sum(energies)) else [e if math.isfinite(e) else 0.0 for e in energies]


@dataclass(slots=True)
class LevelSpan:
    """The level of an event from its onset up to now."""

    upto: int
    """The first frame not yet counted."""
    energy: float = 0.0
    frames: int = 0
    peak: float = 0.0

    def laeq_db(self, offset_db: float) -> float:
        """Return the equivalent level of the span."""
        return to_db(self.energy / max(self.frames, 1), offset_db)

    def lafmax_db(self, offset_db: float) -> float:
        """Return the highest fast-weighted level of the span."""
        return to_db(self.peak, offset_db)


class LevelMeter:
    """Meter of one stream's level per frame, with a history of `HISTORY_S` seconds."""

    def __init__(self, params: FrontEndParams, offset_db: float = 0.0) -> None:
        """Start at silence, at frame 0."""
        self._params = params
        self._offset_db = offset_db
        self._weights = a_weights(params)
        self._decay = 1.0 - math.exp(-1.0 / (params.frames_per_s * _FAST_S))
        size = math.ceil(HISTORY_S * params.frames_per_s)
        self._energy = np.zeros(size)
        self._fast = np.zeros(size)
        self._state = 0.0
        self._next = 0
        self._oldest = 0
        self._second = 0
        self._levels: list[Level] = []

    def push(self, power: NDArray[np.float32]) -> None:
        """Take the power spectra, shape (frames, bins), of the next frames."""
        with np.errstate(over="ignore", invalid="ignore"):
            energies = _replace_nonfinite((power @ self._weights).tolist())
        size, state, index = len(self._energy), self._state, self._next
        for energy in energies:
            state += (energy - state) * self._decay
            slot = index % size
            self._energy[slot] = energy
            self._fast[slot] = state
            index += 1
            if index - self._second >= self._params.frames_per_s:
                self._close_second(index)
        self._state, self._next = state, index

    def reset(self, frame: int) -> None:
        """Forget the history after a gap; the next frame is `frame`."""
        self._state = 0.0
        self._next = self._oldest = self._second = frame

    def start_span(self, frame: int) -> LevelSpan:
        """Return the empty span of an event from `frame`, or the oldest frame, on."""
        return LevelSpan(upto=max(frame, self._find_oldest()))

    def extend(self, span: LevelSpan, frame: int) -> None:
        """Extend a span up to, and without, `frame`."""
        slots = np.arange(max(span.upto, self._find_oldest()), min(frame, self._next)) % len(self._energy)
        if slots.size:
            span.energy += float(self._energy[slots].sum())
            span.peak = max(span.peak, float(self._fast[slots].max()))
            span.frames += slots.size
            span.upto = min(frame, self._next)

    def find_steepest_rise(self, first: int, last: int) -> int | None:
        """Return the frame in [first, last) with the steepest rise.

        None if the level rises by less than 3 dB.
        """
        start = max(first - 1, self._find_oldest())
        slots = np.arange(start, min(last, self._next)) % len(self._energy)
        if slots.size < 2:  # noqa: PLR2004 - a rise needs two frames
            return None
        rises = np.diff(10.0 * np.log10(self._energy[slots] + _SILENCE))
        best = int(rises.argmax())
        return start + best + 1 if rises[best] >= 3.0 else None  # noqa: PLR2004 - 3 dB: twice the power

    def read_fast_db(self, first: int, last: int) -> NDArray[np.float64]:
        """Return the fast-weighted levels of frames [first, last) in dB re full scale.

        Frames that are not in the history are left out. The calibration offset is not included.
        """
        slots = np.arange(max(first, self._find_oldest()), min(last, self._next)) % len(self._energy)
        levels: NDArray[np.float64] = 10.0 * np.log10(np.maximum(self._fast[slots], _SILENCE) / _FULL_SCALE_SINE)
        return levels

    def read_current_db(self) -> float:
        """Return the fast-weighted level of the newest frame."""
        return to_db(self._state, self._offset_db)

    def take_levels(self) -> list[Level]:
        """Return the levels of the seconds completed since the last call."""
        levels, self._levels = self._levels, []
        return levels

    def _find_oldest(self) -> int:
        return max(self._oldest, self._next - len(self._energy))

    def _close_second(self, index: int) -> None:
        slots = np.arange(self._second, index) % len(self._energy)
        fast = np.sort(self._fast[slots])
        hop, offset = self._params.hop_samples, self._offset_db

        def exceeded(share: float) -> float:
            return to_db(float(fast[round((1.0 - share) * (fast.size - 1))]), offset)

        self._levels.append(
            Level(
                start=self._second * hop,
                end=index * hop,
                laeq_db=to_db(float(self._energy[slots].mean()), offset),
                lafmax_db=to_db(float(fast[-1]), offset),
                l10_db=exceeded(0.1),
                l50_db=exceeded(0.5),
                l90_db=exceeded(0.9),
            )
        )
        if len(self._levels) > HISTORY_S:
            del self._levels[0]
        self._second = index
