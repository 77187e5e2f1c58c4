"""Matcher of claps with patterns.

It waits just long enough to distinguish two claps from three.

Claps form a row while they may still become a pattern, or while each comes within `max_gap_s` of the last. A row has
a deadline: the latest time at which one more clap could continue a longer pattern, and at least the time that shows
whether the row goes on (applause, somebody counting). The row is decided when its deadline has passed. A row that is
not the beginning of any pattern is dead: none of its claps makes a pattern, and it lasts until the claps pause.

A slow rhythm waits for longer than `max_gap_s`, so a single clap may precede a pattern in one row. Such a row is split
at these pauses only: the claps before a pause are removed if they cannot begin a pattern, and the others stay.
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

_SETTLE_S, _SETTLE_GAPS = 0.4, 1.5  # the next clap of a steady row comes within 1.25 times its longest gap
_SLOWEST_S = 3.0  # the longest gap of a rhythm of any tempo
_ROUNDING = 1 + 1e-9
_LEVELS_DB = 27.0  # largest level difference within a pattern: a microphone's noise gate reduces the first clap
_WEAK, _WEAK_LEVELS_DB = 0.3, 8.0  # a clap of low confidence counts only if it is about as loud as the others
_LOUDER_DB = 6.0
_CONFIDENCE_MARGIN = 1e-4  # limits each clap's log-odds, so that one certain clap does not outweigh another


class _Shape(Protocol):
    """Test of the gaps of one pattern, in samples."""

    size: int
    """Number of claps of the pattern."""
    longest_gaps: tuple[float, ...]
    """The longest duration of each gap."""

    def fits(self, gaps: Sequence[float]) -> bool:
        """Return whether `gaps` fit all, or the first, gaps of the pattern."""

    def find_longest_gap(self, gaps: Sequence[float]) -> float:
        """Return the longest gap that may follow `gaps`, the first ones of the pattern."""


class _Count:
    """A pattern that is a number of claps."""

    def __init__(self, claps: int, max_gap: int) -> None:
        self.size = claps
        self.longest_gaps: tuple[float, ...] = (max_gap,) * (claps - 1)

    def fits(self, gaps: Sequence[float]) -> bool:
        return len(gaps) < self.size and all(gap <= most for gap, most in zip(gaps, self.longest_gaps, strict=False))

    def find_longest_gap(self, gaps: Sequence[float]) -> float:
        return self.longest_gaps[len(gaps)]


class _Rhythm:
    """A pattern of proportional gaps: one tempo must explain each gap within the tolerance."""

    def __init__(self, parts: Sequence[float], tolerance: float, tempo: float | None, slowest: int) -> None:
        self.size = len(parts) + 1
        self._least, self._most = [p * (1 - tolerance) for p in parts], [p * (1 + tolerance) for p in parts]
        self._tempos = (0.0, slowest / max(self._least)) if tempo is None else (tempo, tempo)
        self._cap = slowest if tempo is None else math.inf
        self.longest_gaps = tuple(min(self._cap, self._tempos[1] * most) for most in self._most)

    def fits(self, gaps: Sequence[float]) -> bool:
        if len(gaps) >= self.size or max(gaps, default=0) > self._cap:
            return False
        fastest = max([self._tempos[0], *(gap / most for gap, most in zip(gaps, self._most, strict=False))])
        return fastest <= self._find_slowest(gaps) * _ROUNDING  # the longest gap of `find_longest_gap` must fit itself

    def find_longest_gap(self, gaps: Sequence[float]) -> float:
        return min(self._cap, self._find_slowest(gaps) * self._most[len(gaps)])

    def _find_slowest(self, gaps: Sequence[float]) -> float:
        return min([self._tempos[1], *(gap / least for gap, least in zip(gaps, self._least, strict=False))])


class Matcher:
    """Matcher of one stream's claps with the enabled patterns."""

    def __init__(self, settings: Claps, rate_hz: int) -> None:
        """Start without claps; sample indices count at `rate_hz`."""
        self._rate_hz = rate_hz
        self._min_gap, self._max_gap = round(settings.min_gap_s * rate_hz), round(settings.max_gap_s * rate_hz)
        self._refractory = round(settings.refractory_s * rate_hz)
        enabled = {name: pattern for name, pattern in settings.patterns.items() if pattern.enabled}
        self._min_confidence = {name: pattern.min_confidence for name, pattern in enabled.items()}
        # A rhythm is more specific than a number, so it takes precedence if both fit.
        names = sorted(enabled, key=lambda name: enabled[name].rhythm is None)
        self._shapes: dict[str, _Shape] = {name: self._shape(enabled[name]) for name in names}
        self._most_claps = max((shape.size for shape in self._shapes.values()), default=0)
        self._refractory_until = 0
        self.reset()

    def _shape(self, pattern: ClapPattern) -> _Shape:
        if pattern.rhythm is None:
            return _Count(pattern.claps or 0, self._max_gap)  # the settings have either claps or a rhythm
        tempo = None if pattern.tempo_s is None else pattern.tempo_s * self._rate_hz
        return _Rhythm(pattern.rhythm, pattern.tolerance, tempo, round(_SLOWEST_S * self._rate_hz))

    @property
    def deadline(self) -> int | None:
        """Index after which waiting claps are decided, unless another comes; None without one."""
        return self._deadline if self._row else None

    @property
    def waiting_s(self) -> dict[str, float]:
        """The longest seconds from the last clap of each pattern to its decision."""
        return {
            name: max([self._settle(shape.longest_gaps), *self._find_longest_gaps(shape.longest_gaps)]) / self._rate_hz
            for name, shape in self._shapes.items()
        }

    def reset(self) -> None:
        """Forget every waiting clap, because samples were lost."""
        self._row: list[Clap] = []
        self._singles: list[Clap] = []
        self._uncounted = 0  # claps of an applause that are counted only here
        self._last = -self._min_gap  # index of the last clap that was not an echo
        self._closed_until = -1  # end of a suppressed row
        self._deadline = 0

    def add_clap(self, clap: Clap) -> list[Pattern]:
        """Add the next clap and return the patterns that are decided by its time."""
        decided = self.advance(clap.at)
        if clap.at - self._last < self._min_gap and not self._replaces_last(clap):
            return decided
        if self._row and clap not in _drop_faint([*self._row, clap]):
            return decided
        self._last = clap.at
        if not self._shapes:
            return decided
        if clap.at <= self._closed_until:
            self._closed_until = clap.at + self._max_gap
            return decided
        return decided + self._extend(clap)

    def _replaces_last(self, clap: Clap) -> bool:
        """Remove the last clap if this one is too loud to be its echo.

        The last one was then a noise just before this clap. Returns whether it was removed.
        """
        if not self._row or self._row[-1].at != self._last or clap.level_db < self._row[-1].level_db + _LOUDER_DB:
            return False
        self._row.pop()
        return True

    def advance(self, now: int) -> list[Pattern]:
        """Return the patterns decided if no clap comes before index `now`."""
        patterns = []
        while self._row and now > self._deadline:
            patterns += self._decide_first(self._deadline)
        return patterns

    def take_singles(self) -> list[Clap]:
        """Return the single claps, which make no pattern, since the last call."""
        singles, self._singles = self._singles, []
        return singles

    def finish(self, end: int | None = None) -> list[Pattern]:
        """Decide and return what waits, at the stream's `end` or the last clap."""
        end = self._last if end is None else end
        patterns = []
        while self._row:
            patterns += self._decide_first(min(end, self._deadline))
        return patterns

    def _extend(self, clap: Clap) -> list[Pattern]:
        """Add a clap to the row; decide the claps that it separates from the row."""
        if len(self._row) > self._most_claps:
            self._uncounted += 1
            self._deadline = clap.at + self._max_gap
            return []
        self._row = _drop_faint([*self._row, clap])
        patterns = []
        while not self._begins_pattern(_compute_gaps(self._row)) and self._find_pauses(self._row):
            patterns += self._decide_first(clap.at)
        self._deadline = self._compute_deadline(self._row)
        return patterns

    def _decide_first(self, decided: int) -> list[Pattern]:
        """Decide the first pattern of the row, else the claps before its first pause.

        The longest beginning that is a pattern counts.
        """
        row, ends = self._row, [*self._find_pauses(self._row), len(self._row)]
        patterns = ((end, name) for end in reversed(ends) if (name := self._find_name(row[:end])))
        end, name = next(patterns, (ends[0], None))
        judged = [self._make_pattern(name, row[:end], decided)] if end > 1 else []  # one clap is not reported
        if end == 1:
            self._singles += row[:1]
        self._row, self._uncounted = row[end:], 0
        if self._row:
            self._deadline = max(decided, self._compute_deadline(self._row))
        return judged

    def _find_pauses(self, row: Sequence[Clap]) -> list[int]:
        """Return the positions in the row that follow a gap longer than `max_gap_s`."""
        return [n for n, gap in enumerate(_compute_gaps(row), 1) if gap > self._max_gap]

    def _begins_pattern(self, gaps: Sequence[float]) -> bool:
        return any(shape.fits(gaps) for shape in self._shapes.values())

    def _compute_deadline(self, row: Sequence[Clap]) -> int:
        """Return the index until which a longer pattern or a continued row is possible."""
        gaps = _compute_gaps(row)
        if not self._begins_pattern(gaps):
            return row[-1].at + self._max_gap
        return row[-1].at + int(max([self._settle(gaps), *self._find_longest_gaps(gaps, begun=True)]))

    def _settle(self, gaps: Sequence[float]) -> float:
        """Return the samples to wait for the next clap of a row with these gaps."""
        return min(self._max_gap, max(_SETTLE_S * self._rate_hz, _SETTLE_GAPS * max(gaps, default=0)))

    def _find_longest_gaps(self, gaps: Sequence[float], *, begun: bool = False) -> list[float]:
        """Return the longest next gap of each longer pattern, if `begun` of those that fit."""
        longer = (shape for shape in self._shapes.values() if shape.size > len(gaps) + 1)
        return [shape.find_longest_gap(gaps) for shape in longer if not begun or shape.fits(gaps)]

    def _find_name(self, claps: Sequence[Clap]) -> str | None:
        gaps = _compute_gaps(claps)
        fitting = (name for name, shape in self._shapes.items() if shape.size == len(claps) and shape.fits(gaps))
        return next(fitting, None)

    def _make_pattern(self, name: str | None, claps: Sequence[Clap], decided: int) -> Pattern:
        """Return the pattern with the reason against it.

        The claps right after a suppressed row, and during the refractory time of a pattern, are ignored.
        """
        onsets = tuple(clap.at for clap in claps)
        level_db = min(clap.level_db for clap in claps)
        confidence = _combine_confidences(claps)
        reason, detail = self._find_objection(name, claps, confidence)
        if reason:
            self._closed_until = onsets[-1] + self._max_gap
        else:
            self._refractory_until = decided + self._refractory
        name = name or f"{len(claps) + self._uncounted} claps"
        return Pattern(name, onsets, decided, confidence, level_db, reason, detail)

    def _find_objection(self, name: str | None, claps: Sequence[Clap], confidence: float) -> tuple[str, str]:
        if len(claps) > self._most_claps:
            return TOO_MANY, ""
        if name is None:
            return NO_PATTERN, ""
        if claps[0].at < self._refractory_until:
            return TOO_SOON, ""
        if confidence < self._min_confidence[name]:
            return NOT_SURE, f"{confidence:.2f}, wanted {self._min_confidence[name]:.2f}"
        return "", ""


def _drop_faint(claps: Sequence[Clap]) -> list[Clap]:
    """Drop the claps that are too faint to come from the place of the loudest.

    The limit is stricter for a clap of low confidence.
    """
    loudest_db = max(clap.level_db for clap in claps)
    return [c for c in claps if c.level_db >= loudest_db - (_LEVELS_DB if c.confidence >= _WEAK else _WEAK_LEVELS_DB)]


def _compute_gaps(claps: Sequence[Clap]) -> list[int]:
    return [after.at - before.at for before, after in itertools.pairwise(claps)]


def _combine_confidences(claps: Sequence[Clap]) -> float:
    """Return the probability whose log-odds are the mean of those of the claps."""
    chances = (min(1.0 - _CONFIDENCE_MARGIN, max(_CONFIDENCE_MARGIN, clap.confidence)) for clap in claps)
    mean = sum(math.log(chance / (1.0 - chance)) for chance in chances) / len(claps)
    return 1.0 / (1.0 + math.exp(-mean))
