"""Mono downmix: the mean of the channels, or the loudest channel where they cancel.

Two channels in opposite phase, as from a miswired cable, cancel each other; one live channel among eight is 18 dB
fainter in the mean. The choice depends on the preceding sound, in segments of fixed length, so any chunking gives the
same samples. A change is a crossfade over one segment, and hysteresis prevents frequent changes, so there are no clicks
and no flutter.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_SEGMENT = 512  # frames: 11 ms at 48 kHz
_FAST_DECAY = 1.0 - 1.0 / 16  # time constant of a sixth of a second at 48 kHz, for taking a channel
_WEIGHTS = _FAST_DECAY ** np.arange(511, -1, -1.0)  # of the last segments
_SLOW_DECAY = 1.0 - 1.0 / 480  # time constant of five seconds, for leaving it: a pause between two sounds is shorter
# The mean's share of the loudest channel's power: 1/16 with one live channel of four, 1/4 with one of two.
_CANCELLED = 0.07
_RESTORED = 0.3
_LOUDER = 4.0  # ratio to the power of the current channel at which another one is taken
_EQUAL = 1.0 - 1e-9  # ratio of two powers above which they differ by rounding only
_CERTAIN = 8  # segments after which the choice is reported

_MEAN = -1
_Plan = tuple[int, int]  # input at the beginning and the end of a segment: a channel, or `_MEAN`


class Downmix:
    """Downmix of one stream, block by block."""

    def __init__(self) -> None:
        """Start with the mean."""
        self._restart(0)

    def _restart(self, channels: int) -> None:
        self._channels = channels
        self._rest = np.empty((0, channels), np.float32)
        self._plan: _Plan = (_MEAN, _MEAN)  # of the incomplete segment
        self._fast = self._slow = [0.0] * (channels + 1)  # power of the mean, then of each channel
        self._segments = 0  # number of segments since a channel was taken

    @property
    def remark(self) -> str:
        """A note on the sound, in one line; empty while the mean is used."""
        if self._plan[1] == _MEAN or self._segments < _CERTAIN:
            return ""
        return f"its channels cancel each other; channel {self._plan[1] + 1} of {self._channels} alone is heard"

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return samples of shape (n,) or (n, channels) as mono, shape (n,)."""
        if samples.ndim == 1:
            return samples
        if samples.shape[1] == 1:
            return samples[:, 0]
        if samples.shape[1] != self._channels:
            self._restart(samples.shape[1])
        before = len(self._rest)
        joined = np.concatenate((self._rest, samples)) if before else samples
        whole = len(joined) // _SEGMENT * _SEGMENT
        self._rest = joined[whole:].copy()
        channels = np.ascontiguousarray(joined.T)  # row by row is several times faster than over rows of two
        mean = _average(channels)
        powers = _compute_powers(mean[:whole], channels[:, :whole])
        if self._stays_mean(powers):
            return mean[before:]
        plans = [self._plan]
        for power in powers.T.tolist():
            self._plan = self._plan_next(power)
            plans.append(self._plan)
        return _mix(mean, channels, plans)[before:]

    def _stays_mean(self, powers: NDArray[np.float64]) -> bool:
        """Return whether the mean serves for all these segments, and then update the average powers.

        This is the fast path: it has the same effect as `_plan_next` for each segment.
        """
        # A lower bound that holds in each segment holds for every average of them.
        if self._plan != (_MEAN, _MEAN) or (powers[0] < powers[1:].max(axis=0) * _CANCELLED).any():
            return False
        count = min(powers.shape[1], _WEIGHTS.size)
        recent = powers[:, powers.shape[1] - count :] @ _WEIGHTS[_WEIGHTS.size - count :]
        kept = _FAST_DECAY ** powers.shape[1]
        self._fast = [old * kept + new for old, new in zip(self._fast, recent.tolist(), strict=True)]
        return True

    def _plan_next(self, power: Sequence[float]) -> _Plan:
        """Return the plan of the segment that follows one of this power."""
        self._fast = fast = [old * _FAST_DECAY + new for old, new in zip(self._fast, power, strict=True)]
        taken = self._plan[1]
        if taken == _MEAN:
            loudest = max(fast[1:])
            if fast[0] >= loudest * _CANCELLED:  # also for silence
                return _MEAN, _MEAN
            self._slow, self._segments = fast, 0
            return _MEAN, _find_loudest(fast, loudest)
        self._segments += 1
        self._slow = slow = [old * _SLOW_DECAY + new for old, new in zip(self._slow, power, strict=True)]
        if all(kept[0] > max(kept[1:]) * _RESTORED for kept in (fast, slow)):
            return taken, _MEAN
        loudest = max(slow[1:])
        return taken, _find_loudest(slow, loudest) if loudest > _LOUDER * slow[taken + 1] else taken


def to_mono(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a whole recording, shape (n,) or (n, channels), as mono."""
    return Downmix().push(samples)


def _find_loudest(powers: Sequence[float], loudest: float) -> int:
    """Return the first channel whose power equals `loudest`, but for rounding.

    `powers` has the power of the mean, then of each channel. Two channels in opposite phase are equally loud except for
    rounding, which depends on the chunking.
    """
    return next(channel for channel, power in enumerate(powers[1:]) if power >= loudest * _EQUAL)


def _average(channels: NDArray[np.float32]) -> NDArray[np.float32]:
    mixed: NDArray[np.float32] = channels[0] + channels[1]
    for channel in channels[2:]:
        mixed += channel
    mixed /= np.float32(len(channels))
    return mixed


def _compute_powers(mean: NDArray[np.float32], channels: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the power of the mean and of each channel by segment, without DC.

    The shape is (1 + channels, segments); the first row is the mean.
    """
    signals = [signal.reshape(-1, _SEGMENT) for signal in (mean, *channels)]
    offsets = [
        segments.sum(axis=1, dtype=np.float32) for segments in signals[1:]
    ]  # DC offsets, which differ between converters
    offsets.insert(0, sum(offsets[1:], offsets[0]) / np.float32(len(offsets)))
    powers = [np.einsum("ij,ij->i", segments, segments) for segments in signals]
    return np.subtract(powers, np.square(offsets) / _SEGMENT, dtype=np.float64)


def _mix(mean: NDArray[np.float32], channels: NDArray[np.float32], plans: list[_Plan]) -> NDArray[np.float32]:
    """Return the samples according to the segments' plans; the last segment may be incomplete."""
    parts, end = [], 0
    for plan, equal_plans in groupby(plans):
        steady, segments = plan[0] == plan[1], len(list(equal_plans))
        for count in [segments] if steady else [1] * segments:
            part = slice(end, end + count * _SEGMENT)
            end = part.stop
            first, last = ((mean if of == _MEAN else channels[of])[part] for of in plan)
            if steady:
                parts.append(first)
            else:
                share = np.arange(first.size, dtype=np.float32) / np.float32(_SEGMENT)
                parts.append(first + (last - first) * share)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
