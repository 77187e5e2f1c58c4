"""Onsets of short loud sounds in a stream, to 4 ms.

Pure: any chunking gives the same onsets.

The level is that of the first difference of the samples, which weighs a band by the square of its frequency: a clap
has its energy above 500 Hz, unlike the thump of a door or the rumble of a street. An onset is a steep rise above both
the noise floor and the level just before, which excludes a room's echo and a lorry that passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

HOP_SAMPLES = 64
"""Resolution of an onset: 4 ms at 16 kHz."""
GROUP_HOPS = 4
"""Hops that are analysed together."""
GROUP_SAMPLES = HOP_SAMPLES * GROUP_HOPS
_AHEAD_HOPS = 4  # time in which an attack reaches its peak
_BEFORE_HOPS = 6  # time before an onset that it must rise above
_REFRACTORY_HOPS = 15  # 60 ms: a clap and its first reflections are one sound
_ABOVE_FLOOR_DB = 9.0
_RISE_DB = 6.0
_SILENCE = 1e-10  # below the noise of any microphone: -100 dB
_FLOOR_FALL = 0.3  # share of the way to a lower level, per group
_FLOOR_RISE_DB = 0.2  # per group: 12 dB per second
_LOUDER_DB = 6.0  # a sound this much louder than the onset just before it is not its reflection
_ECHO_DB = 12.0  # how far an echo stays below its sound …
_ECHO_HOPS = 88  # … and for how long: 350 ms, a wall 60 m away


@dataclass(frozen=True, slots=True)
class Onset:
    """The beginning of a short sound."""

    at: int
    """Sample index, on the grid of hops."""
    level_db: float
    """Highest level of the differenced samples within 16 ms of the onset, in dB re full scale."""
    above_db: float
    """Difference of `level_db` to the noise floor."""


class OnsetDetector:
    """Detector of the onsets of one stream, with a delay of some 30 ms."""

    def __init__(self) -> None:
        """Start at sample 0."""
        self.reset(0)

    def reset(self, start: int) -> None:
        """Restart at sample `start`, after a gap; the next sound sets the noise floor."""
        self._start = start
        self._rest = np.empty(0, np.float32)
        self._last_sample = np.float32(0.0)
        self._fresh = True
        self._floor_db = 0.0
        self._last_hop = -_ECHO_HOPS
        self._last_db = -np.inf
        self._hop = 0  # first hop that is not yet decided, as the hops after it are not yet known
        self._levels = np.full(_BEFORE_HOPS, 10.0 * np.log10(_SILENCE))

    @property
    def certain_until(self) -> int:
        """The sample index before which every onset is known."""
        return self._start + self._hop * HOP_SAMPLES

    @property
    def delay_samples(self) -> int:
        """The largest delay of `certain_until` behind the samples received."""
        return GROUP_SAMPLES + _AHEAD_HOPS * HOP_SAMPLES

    def push(self, samples: NDArray[np.float32]) -> list[Onset]:
        """Take the next samples, shape (n,), and return the onsets that are now certain."""
        joined = np.concatenate((self._rest, samples))
        whole = joined.size // GROUP_SAMPLES * GROUP_SAMPLES
        self._rest = joined[whole:]
        if not whole:
            return []
        levels = self._measure_levels(joined[:whole]).reshape(-1, GROUP_HOPS)
        onsets: list[Onset] = []
        for group in levels:
            onsets += self._scan_group(group)
        return onsets

    def _measure_levels(self, samples: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the level of each hop, in dB."""
        difference = np.diff(samples, prepend=samples[:1] if self._fresh else self._last_sample)
        self._last_sample = samples[-1]
        hops = difference.reshape(-1, HOP_SAMPLES)
        return np.asarray(10.0 * np.log10(np.einsum("ij,ij->i", hops, hops) / HOP_SAMPLES + _SILENCE), np.float64)

    def _scan_group(self, group: NDArray[np.float64]) -> list[Onset]:
        if self._fresh:
            self._fresh = False
            self._floor_db = float(group.min())
            self._levels = np.concatenate((np.full(_BEFORE_HOPS, group.max()), group))
            return []
        levels = np.concatenate((self._levels, group))
        self._levels = levels[-(_BEFORE_HOPS + _AHEAD_HOPS) :]
        count = len(levels) - _BEFORE_HOPS - _AHEAD_HOPS
        first = self._hop
        self._hop += count
        floor_db = self._floor_db
        self._follow_floor(float(np.partition(group, GROUP_HOPS // 2)[GROUP_HOPS // 2]))
        if levels.max() < floor_db + _ABOVE_FLOOR_DB:
            return []
        found = (self._find_onset(levels, i, first + i, floor_db) for i in range(count))
        return [onset for onset in found if onset is not None]

    def _follow_floor(self, level_db: float) -> None:
        below = min(0.0, level_db - self._floor_db)
        above = min(_FLOOR_RISE_DB, max(0.0, level_db - self._floor_db))
        self._floor_db += _FLOOR_FALL * below + above

    def _find_onset(self, levels: NDArray[np.float64], index: int, hop: int, floor_db: float) -> Onset | None:
        """Return the onset at one hop, if any; `levels` holds the hops around it."""
        now = index + _BEFORE_HOPS
        peak_db = float(levels[now : now + _AHEAD_HOPS].max())
        before_db = float(levels[index:now].max())
        since = hop - self._last_hop
        if (
            (since < _REFRACTORY_HOPS and peak_db < self._last_db + _LOUDER_DB)
            or peak_db < floor_db + _ABOVE_FLOOR_DB
            or peak_db < before_db + _RISE_DB
            or (since < _ECHO_HOPS and peak_db < self._last_db - _ECHO_DB)
            # At the onset, more than half of the rise is over.
            or levels[now] < (peak_db + before_db) / 2.0
        ):
            return None
        self._last_hop, self._last_db = hop, peak_db
        return Onset(self._start + hop * HOP_SAMPLES, peak_db, peak_db - floor_db)
