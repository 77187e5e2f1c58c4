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
    from collections.abc import Iterator

    from numpy.typing import NDArray

_SEGMENT = 512  # frames: 11 ms at 48 kHz
_FAST_DECAY = 1.0 - 1.0 / 16  # a sixth of a second at 48 kHz: how soon a channel is taken
_SLOW_DECAY = 1.0 - 1.0 / 480  # five seconds: a pause between two sounds is no reason to leave it
_CANCELLED = 1 / 16  # of the loudest channel's power in the mean: -12 dB; two that have nothing in common leave half
_RESTORED = 1 / 4
_LOUDER = 4.0  # times the power of the channel that was taken: another one is to be taken
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
        # Row by row is some ten times faster than over rows of two.
        channels = np.ascontiguousarray(np.concatenate((self._rest, samples)).T)
        mean = _mean(channels)
        whole = channels.shape[1] // _SEGMENT * _SEGMENT
        self._rest = np.ascontiguousarray(channels[:, whole:].T)
        plans = [self._plan]
        for power in _powers(mean[:whole], channels[:, :whole]):
            self._plan = self._next(power)
            plans.append(self._plan)
        return _mixed(mean, channels, plans)[before:]

    def _next(self, power: list[float]) -> _Plan:
        """Return the plan of the segment after one of this power."""
        self._fast = fast = [old * _FAST_DECAY + new for old, new in zip(self._fast, power, strict=True)]
        taken = self._plan[1]
        if taken == _MEAN:
            loudest = max(fast[1:])
            if fast[0] >= loudest * _CANCELLED:  # also of silence
                return _MEAN, _MEAN
            self._slow, self._segments = fast, 0
            return _MEAN, fast.index(loudest, 1) - 1
        self._segments += 1
        self._slow = slow = [old * _SLOW_DECAY + new for old, new in zip(self._slow, power, strict=True)]
        if all(kept[0] > max(kept[1:]) * _RESTORED for kept in (fast, slow)):
            return taken, _MEAN
        loudest = max(slow[1:])
        return taken, slow.index(loudest, 1) - 1 if loudest > _LOUDER * slow[taken + 1] else taken


def to_mono(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a whole recording, shape (n,) or (n, channels), as one channel."""
    return Downmix().push(samples)


def _mean(channels: NDArray[np.float32]) -> NDArray[np.float32]:
    mixed: NDArray[np.float32] = channels[0] + channels[1]
    for channel in channels[2:]:
        mixed += channel
    mixed /= np.float32(len(channels))
    return mixed


def _powers(mean: NDArray[np.float32], channels: NDArray[np.float32]) -> Iterator[list[float]]:
    """Yield the power of the mean and of each channel in each segment, less what does not move."""
    rows = []
    for signal in (mean, *channels):
        segments = signal.reshape(-1, _SEGMENT)
        moving = segments - segments.mean(axis=1, keepdims=True)  # two converters' offsets are no sound
        rows.append(np.einsum("ij,ij->i", moving, moving).tolist())
    return map(list, zip(*rows, strict=True))


def _mixed(mean: NDArray[np.float32], channels: NDArray[np.float32], plans: list[_Plan]) -> NDArray[np.float32]:
    """Return the samples that the segments' plans make; the last segment may not be whole."""
    parts, end = [], 0
    for plan, alike in groupby(plans):
        steady = plan[0] == plan[1]
        for count in [len(list(alike))] if steady else [1] * len(list(alike)):
            part = slice(end, end + count * _SEGMENT)
            end = part.stop
            first, last = ((mean if of == _MEAN else channels[of])[part] for of in plan)
            if steady:
                parts.append(first)
            else:
                share = np.arange(first.size, dtype=np.float32) / np.float32(_SEGMENT)
                parts.append(first + (last - first) * share)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
