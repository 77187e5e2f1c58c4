"""From claps to patterns: a matcher that waits just long enough to tell two claps from three.

Claps make a row while they may still become some pattern, or come within `max_gap_s`. A row has a deadline: the
latest time at which one more clap could continue a longer pattern, and never less than it takes to hear that the row
goes on (applause, somebody counting). The row is decided when its deadline has passed. A row that no pattern begins
like is dead: none of its claps makes a pattern, and it lasts until the claps pause.

A slow rhythm waits for longer than `max_gap_s`, so a stray clap may stand before a pattern in one row. Such a row is
taken apart at these pauses, and nowhere else: what cannot be the beginning of anything leaves it, and the rest goes on.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Protocol

from edge.claps.reasons import NO_PATTERN, NOT_SURE, TOO_MANY, TOO_SOON
from edge.types import Pattern

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.settings.claps import ClapPattern, Claps
    from edge.types import Clap

_SETTLE_S, _SETTLE_GAPS = 0.4, 1.5  # the next of a steady row comes within 1.25 of its longest gap
_SLOWEST_S = 3.0  # a longer gap belongs to no rhythm whose tempo is free
_ROUNDING = 1 + 1e-9
_LEVELS_DB = 27.0  # between claps of one place, where a microphone's noise gate holds down the first of them
_WEAK, _WEAK_LEVELS_DB = 0.3, 8.0  # what is hardly a clap by itself counts only if it is as loud as the others
_OUTSHINES_DB = 6.0
_SURE = 1e-4  # one clap that is certain must not vouch for another that is none


class _Shape(Protocol):
    """Which gaps make a pattern; all gaps are in samples."""

    size: int
    """Claps of the whole pattern."""
    longest: tuple[float, ...]
    """The longest that each gap can be."""

    def fits(self, gaps: Sequence[float]) -> bool:
        """Return whether `gaps` are the pattern's gaps, or its first ones."""

    def latest(self, gaps: Sequence[float]) -> float:
        """Return the longest gap that may follow `gaps`, which are the pattern's first ones."""


class _Count:
    """A number of claps."""

    def __init__(self, claps: int, max_gap: int) -> None:
        self.size = claps
        self.longest: tuple[float, ...] = (max_gap,) * (claps - 1)

    def fits(self, gaps: Sequence[float]) -> bool:
        return len(gaps) < self.size and all(gap <= most for gap, most in zip(gaps, self.longest, strict=False))

    def latest(self, gaps: Sequence[float]) -> float:
        return self.longest[len(gaps)]


class _Rhythm:
    """Gaps in proportion: it fits where one tempo explains each of them within the tolerance."""

    def __init__(self, parts: Sequence[float], tolerance: float, tempo: float | None, slowest: int) -> None:
        self.size = len(parts) + 1
        self._least, self._most = [p * (1 - tolerance) for p in parts], [p * (1 + tolerance) for p in parts]
        self._tempos = (0.0, slowest / max(self._least)) if tempo is None else (tempo, tempo)
        self._cap = slowest if tempo is None else math.inf
        self.longest = tuple(min(self._cap, self._tempos[1] * most) for most in self._most)

    def fits(self, gaps: Sequence[float]) -> bool:
        if len(gaps) >= self.size or max(gaps, default=0) > self._cap:
            return False
        fastest = max([self._tempos[0], *(gap / most for gap, most in zip(gaps, self._most, strict=False))])
        return fastest <= self._slowest(gaps) * _ROUNDING  # the latest gap is one that fits

    def latest(self, gaps: Sequence[float]) -> float:
        return min(self._cap, self._slowest(gaps) * self._most[len(gaps)])

    def _slowest(self, gaps: Sequence[float]) -> float:
        return min([self._tempos[1], *(gap / least for gap, least in zip(gaps, self._least, strict=False))])


class Matcher:
    """Finds the enabled patterns in the claps of one stream."""

    def __init__(self, settings: Claps, rate_hz: int) -> None:
        """Begin with nothing heard; sample indices count at `rate_hz`."""
        self._rate_hz = rate_hz
        self._min_gap, self._max_gap = round(settings.min_gap_s * rate_hz), round(settings.max_gap_s * rate_hz)
        self._refractory = round(settings.refractory_s * rate_hz)
        enabled = {name: pattern for name, pattern in settings.patterns.items() if pattern.enabled}
        self._sure = {name: pattern.min_confidence for name, pattern in enabled.items()}
        # A rhythm says more than a number, so it goes first where both fit.
        names = sorted(enabled, key=lambda name: enabled[name].rhythm is None)
        self._shapes: dict[str, _Shape] = {name: self._shape(enabled[name]) for name in names}
        self._longest = max((shape.size for shape in self._shapes.values()), default=0)
        self._refractory_until = 0
        self.reset()

    def _shape(self, pattern: ClapPattern) -> _Shape:
        if pattern.rhythm is None:
            return _Count(pattern.claps or 0, self._max_gap)  # the settings have one of the two
        tempo = None if pattern.tempo_s is None else pattern.tempo_s * self._rate_hz
        return _Rhythm(pattern.rhythm, pattern.tolerance, tempo, round(_SLOWEST_S * self._rate_hz))

    @property
    def deadline(self) -> int | None:
        """Index after which the claps that wait are decided, unless another comes; None while none waits."""
        return self._deadline if self._row else None

    @property
    def waiting_s(self) -> dict[str, float]:
        """Seconds from the last clap of each pattern to its decision, at most; no other clap came before it."""
        return {
            name: max([self._settle(shape.longest), *self._latest(shape.longest)]) / self._rate_hz
            for name, shape in self._shapes.items()
        }

    def reset(self) -> None:
        """Forget every clap that waits: samples were lost."""
        self._row: list[Clap] = []
        self._singles: list[Clap] = []
        self._uncounted = 0  # claps of an applause that are not kept
        self._last = -self._min_gap  # index of the last clap that was no echo
        self._closed_until = -1  # a row that was suppressed goes on until then
        self._deadline = 0

    def clap(self, clap: Clap) -> list[Pattern]:
        """Take the next clap; return what is decided by its coming, or by its coming late."""
        decided = self.advance(clap.at)
        if clap.at - self._last < self._min_gap and not self._outshines(clap):
            return decided
        if self._row and clap not in _alike([*self._row, clap]):
            return decided
        self._last = clap.at
        if not self._shapes:
            return decided
        if clap.at <= self._closed_until:
            self._closed_until = clap.at + self._max_gap
            return decided
        return decided + self._extend(clap)

    def _outshines(self, clap: Clap) -> bool:
        """Return whether a clap is too loud for an echo of the last one; that was then some noise just before it."""
        if not self._row or self._row[-1].at != self._last or clap.level_db < self._row[-1].level_db + _OUTSHINES_DB:
            return False
        self._row.pop()
        return True

    def advance(self, now: int) -> list[Pattern]:
        """Return what is decided as no clap came before index `now`; the next may come right there."""
        patterns = []
        while self._row and now > self._deadline:
            patterns += self._take_off(self._deadline)
        return patterns

    def take_singles(self) -> list[Clap]:
        """Return the claps since the last call that stood alone, of which nothing is said."""
        singles, self._singles = self._singles, []
        return singles

    def finish(self, end: int | None = None) -> list[Pattern]:
        """Return what waits: the stream is over, at index `end` or with the last clap."""
        end = self._last if end is None else end
        patterns = []
        while self._row:
            patterns += self._take_off(min(end, self._deadline))
        return patterns

    def _extend(self, clap: Clap) -> list[Pattern]:
        """Add a clap to the row; a beginning that it leaves behind is decided."""
        if len(self._row) > self._longest:
            self._uncounted += 1
            self._deadline = clap.at + self._max_gap
            return []
        self._row = _alike([*self._row, clap])
        patterns = []
        while not self._begins_some(_gaps(self._row)) and self._pauses(self._row):
            patterns += self._take_off(clap.at)
        self._deadline = self._due(self._row)
        return patterns

    def _take_off(self, decided: int) -> list[Pattern]:
        """Decide as much of the row's beginning as makes a pattern, else what comes before its first pause."""
        row, ends = self._row, [*self._pauses(self._row), len(self._row)]
        patterns = ((end, name) for end in reversed(ends) if (name := self._name(row[:end])))
        end, name = next(patterns, (ends[0], None))
        judged = [self._judge(name, row[:end], decided)] if end > 1 else []  # one clap is no pattern, nor worth a word
        if end == 1:
            self._singles += row[:1]
        self._row, self._uncounted = row[end:], 0
        if self._row:
            self._deadline = max(decided, self._due(self._row))
        return judged

    def _pauses(self, row: Sequence[Clap]) -> list[int]:
        """Return the positions in the row before which there is a gap that no number of claps may have."""
        return [n for n, gap in enumerate(_gaps(row), 1) if gap > self._max_gap]

    def _begins_some(self, gaps: Sequence[float]) -> bool:
        return any(shape.fits(gaps) for shape in self._shapes.values())

    def _due(self, row: Sequence[Clap]) -> int:
        """Return until when to wait after these claps: for a longer pattern, or for the row to go on."""
        gaps = _gaps(row)
        if not self._begins_some(gaps):
            return row[-1].at + self._max_gap
        return row[-1].at + int(max([self._settle(gaps), *self._latest(gaps, begun=True)]))

    def _settle(self, gaps: Sequence[float]) -> float:
        """Return the samples in which a row with these gaps shows that it goes on."""
        return min(self._max_gap, max(_SETTLE_S * self._rate_hz, _SETTLE_GAPS * max(gaps, default=0)))

    def _latest(self, gaps: Sequence[float], *, begun: bool = False) -> list[float]:
        """Return how long each longer pattern may go on after `gaps`; if `begun`, of those that begin like it."""
        longer = (shape for shape in self._shapes.values() if shape.size > len(gaps) + 1)
        return [shape.latest(gaps) for shape in longer if not begun or shape.fits(gaps)]

    def _name(self, claps: Sequence[Clap]) -> str | None:
        gaps = _gaps(claps)
        fitting = (name for name, shape in self._shapes.items() if shape.size == len(claps) and shape.fits(gaps))
        return next(fitting, None)

    def _judge(self, name: str | None, claps: Sequence[Clap], decided: int) -> Pattern:
        """Return the pattern with the reason against it, if there is one; what comes right after does not count."""
        onsets = tuple(clap.at for clap in claps)
        level_db = min(clap.level_db for clap in claps)
        confidence = _together(claps)
        reason, detail = self._objection(name, claps, confidence)
        if reason:
            self._closed_until = onsets[-1] + self._max_gap
        else:
            self._refractory_until = decided + self._refractory
        name = name or f"{len(claps) + self._uncounted} claps"
        return Pattern(name, onsets, decided, confidence, level_db, reason, detail)

    def _objection(self, name: str | None, claps: Sequence[Clap], confidence: float) -> tuple[str, str]:
        if len(claps) > self._longest:
            return TOO_MANY, ""
        if name is None:
            return NO_PATTERN, ""
        if claps[0].at < self._refractory_until:
            return TOO_SOON, ""
        if confidence < self._sure[name]:
            return NOT_SURE, f"{confidence:.2f}, wanted {self._sure[name]:.2f}"
        return "", ""


def _alike(claps: Sequence[Clap]) -> list[Clap]:
    """Leave out what is so much fainter than the loudest that it comes from elsewhere; the less sure, the sooner."""
    loudest_db = max(clap.level_db for clap in claps)
    return [c for c in claps if c.level_db >= loudest_db - (_LEVELS_DB if c.confidence >= _WEAK else _WEAK_LEVELS_DB)]


def _gaps(claps: Sequence[Clap]) -> list[int]:
    return [after.at - before.at for before, after in itertools.pairwise(claps)]


def _together(claps: Sequence[Clap]) -> float:
    """Return the probability whose log-odds are the mean of the claps': each says something about the other."""
    chances = (min(1.0 - _SURE, max(_SURE, clap.confidence)) for clap in claps)
    mean = sum(math.log(chance / (1.0 - chance)) for chance in chances) / len(claps)
    return 1.0 / (1.0 + math.exp(-mean))
