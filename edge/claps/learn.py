"""Settings of a user's own pattern, from a few takes of it.

The rhythm is the mean of the takes, in multiples of its first gap. The tempo is part of the pattern if all takes
share it. The tolerance is twice the largest deviation of the takes from the rounded numbers.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.errors import DataError
from edge.settings.claps import SHIPPED, ClapPattern, Gap
from edge.settings.section import read_limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.types import Clap

_STEP = 0.05  # of the rhythm and of the tolerance
_TOLERANCES, _MARGIN = (0.15, read_limits(ClapPattern.model_fields["tolerance"])[1]), 2.0
_LONGEST_GAP = read_limits(Gap)[1]  # in multiples of the first
_CLAPS = read_limits(ClapPattern.model_fields["claps"])
COUNTED = {claps: name for name, claps in SHIPPED.items()}
"""The shipped patterns by their number of claps."""
_EVEN = 0.2  # gaps that differ by less count as equal
_SAME_TEMPO = 0.2


class Takes:
    """Splitter of claps into takes, at pauses.

    A clap less than `min_gap` samples after the last one is an echo.
    """

    def __init__(self, min_gap: int, pause: int) -> None:
        """Begin before the first take; both are in samples."""
        self._min_gap, self._pause = min_gap, pause
        self._take: list[Clap] = []

    def add_clap(self, clap: Clap) -> tuple[Clap, ...]:
        """Add a clap; return the take that ended at the pause before it, if any."""
        done = self.advance(clap.at)
        if not self._take or clap.at - self._take[-1].at >= self._min_gap:
            self._take.append(clap)
        return done

    def advance(self, now: int) -> tuple[Clap, ...]:
        """Return the take that is over if no clap comes before index `now`, if any."""
        return self.finish() if self._take and now - self._take[-1].at >= self._pause else ()

    def finish(self) -> tuple[Clap, ...]:
        """End the current take and return it, if it has more than one clap."""
        take, self._take = tuple(self._take), []
        return take if len(take) > 1 else ()


@dataclass(frozen=True)
class LearnedPattern:
    """Settings of a pattern: a number of claps, or a rhythm."""

    claps: int | None = None
    rhythm: tuple[float, ...] | None = None
    """Gaps in multiples of the first."""
    tolerance: float | None = None
    tempo_s: float | None = None
    """Seconds of the first gap; None for any tempo."""


def learn(takes: Sequence[Sequence[Clap]], rate_hz: int, *, max_gap_s: float) -> LearnedPattern:
    """Return the pattern of two or more takes.

    Two or three even claps with gaps up to `max_gap_s` are a number, not a rhythm. Raises `DataError` that names the
    take that does not fit the others.
    """
    _check_counts(takes)
    gaps = [[(b.at - a.at) / rate_hz for a, b in itertools.pairwise(take)] for take in takes]
    if len(takes[0]) in COUNTED and all(max(g) <= max_gap_s and max(g) <= min(g) * (1 + _EVEN) for g in gaps):
        return LearnedPattern(claps=len(takes[0]))
    rhythm = _average_rhythm(gaps)
    tempos = [sum(g) / sum(rhythm) for g in gaps]
    # The rhythm of a single gap is its tempo.
    steady = len(rhythm) == 1 or max(tempos) <= min(tempos) * (1 + _SAME_TEMPO)
    tempo_s = round(sum(tempos) / len(tempos), 2) if steady else None
    used = tempos if tempo_s is None else [tempo_s] * len(gaps)
    deviations = [
        max(abs(gap / (part * tempo) - 1) for gap, part in zip(g, rhythm, strict=True))
        for g, tempo in zip(gaps, used, strict=True)
    ]
    worst = max(deviations)
    least, most = _TOLERANCES
    if worst > most:
        msg = "its rhythm differs from the others by more than half"
        raise DataError(msg, where=f"take {deviations.index(worst) + 1}", remedy="clap it again")
    steps = math.ceil(round(worst * _MARGIN / _STEP, 6))
    return LearnedPattern(rhythm=rhythm, tolerance=round(min(most, max(least, steps * _STEP)), 2), tempo_s=tempo_s)


def _average_rhythm(gaps: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Return the mean rhythm of the takes, in multiples of the first gap.

    Each gap counts as a share of its take's length.
    """
    shares = [sum(gap / sum(g) for gap, g in zip(column, gaps, strict=True)) for column in zip(*gaps, strict=True)]
    rhythm = tuple(round(max(1, round(share / shares[0] / _STEP)) * _STEP, 2) for share in shares)
    if max(rhythm) > _LONGEST_GAP:
        longest = rhythm.index(max(rhythm)) + 1
        msg = f"gap {longest} is more than {_LONGEST_GAP:g} times the first"
        raise DataError(msg, remedy="clap a more even rhythm")
    return rhythm


def _check_counts(takes: Sequence[Sequence[Clap]]) -> None:
    if len(takes) < 2:  # noqa: PLR2004 - one take does not show the deviation
        msg = f"there is {len(takes) or 'no'} take of two or more claps, but 2 or more takes are needed"
        raise DataError(msg, remedy="clap the pattern again")
    counts = Counter(len(take) for take in takes)
    usual = counts.most_common(1)[0][0]
    odd = [number for number, take in enumerate(takes, 1) if len(take) != usual]
    if odd:
        others = "most have" if len(takes) > 2 else "take 1 has"  # noqa: PLR2004
        msg = f"take {odd[0]} has {len(takes[odd[0] - 1])} claps, {others} {usual}"
        raise DataError(msg, remedy="clap the same pattern in every take")
    least, most = _CLAPS
    if not least <= usual <= most:
        msg = f"the takes have {usual} claps"
        raise DataError(msg, remedy=f"clap {least} to {most} times")
