"""From several channels to one: their mean, or the loudest where the mean would lose the sound.

Two channels in opposite phase, as a cable wired wrongly makes them, cancel each other; one live channel among eight is
18 dB fainter in the mean. Which of the two it is depends on the sound before, in segments of fixed length, so any
chunking gives the same samples. A change is a crossfade over a segment, and it takes more to leave a channel than to
take it, so there are no clicks and no flutter.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_SEGMENT = 512  # frames: 11 ms at 48 kHz
_FAST_DECAY = 1.0 - 1.0 / 16  # a sixth of a second at 48 kHz: how soon a channel is taken
_WEIGHTS = _FAST_DECAY ** np.arange(511, -1, -1.0)  # of the last segments
_SLOW_DECAY = 1.0 - 1.0 / 480  # five seconds: a pause between two sounds is no reason to leave it
_CANCELLED = 0.07  # of the loudest channel's power in the mean: one live channel of four; of two it would be a quarter
_RESTORED = 0.3
_LOUDER = 4.0  # times the power of the channel that was taken: another one is to be taken
_ALIKE = 1.0 - 1e-9  # of a power: less is rounding
_CERTAIN = 8  # segments after which the choice is no chance

_MEAN = -1
_Plan = tuple[int, int]  # what a segment begins and ends with: a channel, or `_MEAN`


class Downmix:
    """Makes one channel of the blocks of one stream."""

    def __init__(self) -> None:
        """Begin with the mean."""
        self._begin(0)

    def _begin(self, channels: int) -> None:
        self._channels = channels
        self._rest = np.empty((0, channels), np.float32)
        self._plan: _Plan = (_MEAN, _MEAN)  # of the segment that is not yet whole
        self._fast = self._slow = [0.0] * (channels + 1)  # power of the mean, then of each channel
        self._segments = 0  # since a channel was taken

    @property
    def remark(self) -> str:
        """What is to be known about the sound, in one line; empty where the mean is heard."""
        if self._plan[1] == _MEAN or self._segments < _CERTAIN:
            return ""
        return f"its channels cancel each other; channel {self._plan[1] + 1} of {self._channels} alone is heard"

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the one channel, shape (n,), of samples of shape (n,) or (n, channels)."""
        if samples.ndim == 1:
            return samples
        if samples.shape[1] == 1:
            return samples[:, 0]
        if samples.shape[1] != self._channels:
            self._begin(samples.shape[1])
        before = len(self._rest)
        joined = np.concatenate((self._rest, samples)) if before else samples
        whole = len(joined) // _SEGMENT * _SEGMENT
        self._rest = joined[whole:].copy()
        channels = np.ascontiguousarray(joined.T)  # row by row is several times faster than over rows of two
        mean = _mean(channels)
        powers = _powers(mean[:whole], channels[:, :whole])
        if self._stays_mean(powers):
            return mean[before:]
        plans = [self._plan]
        for power in powers.T.tolist():
            self._plan = self._next(power)
            plans.append(self._plan)
        return _mixed(mean, channels, plans)[before:]

    def _stays_mean(self, powers: NDArray[np.float64]) -> bool:
        """Return whether nothing cancels in any of these segments; what `_next` would remember is remembered then."""
        # What holds in each segment holds in every average of them.
        if self._plan != (_MEAN, _MEAN) or (powers[0] < powers[1:].max(axis=0) * _CANCELLED).any():
            return False
        count = min(powers.shape[1], _WEIGHTS.size)
        recent = powers[:, powers.shape[1] - count :] @ _WEIGHTS[_WEIGHTS.size - count :]
        kept = _FAST_DECAY ** powers.shape[1]
        self._fast = [old * kept + new for old, new in zip(self._fast, recent.tolist(), strict=True)]
        return True

    def _next(self, power: Sequence[float]) -> _Plan:
        """Return the plan of the segment after one of this power."""
        self._fast = fast = [old * _FAST_DECAY + new for old, new in zip(self._fast, power, strict=True)]
        taken = self._plan[1]
        if taken == _MEAN:
            loudest = max(fast[1:])
            if fast[0] >= loudest * _CANCELLED:  # also of silence
                return _MEAN, _MEAN
            self._slow, self._segments = fast, 0
            return _MEAN, _first(fast, loudest)
        self._segments += 1
        self._slow = slow = [old * _SLOW_DECAY + new for old, new in zip(self._slow, power, strict=True)]
        if all(kept[0] > max(kept[1:]) * _RESTORED for kept in (fast, slow)):
            return taken, _MEAN
        loudest = max(slow[1:])
        return taken, _first(slow, loudest) if loudest > _LOUDER * slow[taken + 1] else taken


def to_mono(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a whole recording, shape (n,) or (n, channels), as one channel."""
    return Downmix().push(samples)


def _first(powers: Sequence[float], loudest: float) -> int:
    """Return the first channel as loud as the loudest, of powers of the mean and of each channel.

    Two channels in opposite phase are equally loud but for rounding, which depends on the chunking.
    """
    return next(channel for channel, power in enumerate(powers[1:]) if power >= loudest * _ALIKE)


def _mean(channels: NDArray[np.float32]) -> NDArray[np.float32]:
    mixed: NDArray[np.float32] = channels[0] + channels[1]
    for channel in channels[2:]:
        mixed += channel
    mixed /= np.float32(len(channels))
    return mixed


def _powers(mean: NDArray[np.float32], channels: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the power in each segment of the mean, then of each channel, less what does not move.

    The shape is (1 + channels, segments).
    """
    signals = [signal.reshape(-1, _SEGMENT) for signal in (mean, *channels)]
    offsets = [segments.sum(axis=1, dtype=np.float32) for segments in signals[1:]]  # two converters' are no sound
    offsets.insert(0, sum(offsets[1:], offsets[0]) / np.float32(len(offsets)))
    powers = [np.einsum("ij,ij->i", segments, segments) for segments in signals]
    return np.subtract(powers, np.square(offsets) / _SEGMENT, dtype=np.float64)


def _mixed(mean: NDArray[np.float32], channels: NDArray[np.float32], plans: list[_Plan]) -> NDArray[np.float32]:
    """Return the samples that the segments' plans make; the last segment may not be whole."""
    parts, end = [], 0
    for plan, alike in groupby(plans):
        steady, segments = plan[0] == plan[1], len(list(alike))
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
