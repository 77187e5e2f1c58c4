"""What speaks against a pattern although its claps look like claps: applause, speech, music, hammers, shots. Pure.

The event model heard the same second and a half with other ears. Where it heard claps too, nothing else it heard
matters, as lamps are also switched while music plays; where it did not, whatever it heard instead is the reason.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from edge.claps.reasons import APPLAUSE, CLAP, NOT_SURE, RESTLESS, heard_instead

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge.claps.onsets import Onset
    from edge.types import Clap, Pattern, Scores

RATE_HZ = 16_000
_BEFORE = RATE_HZ // 5  # scores this much older than a decision are there when it is made, in any chunking
_KEPT = 64
_HEARD_AFTER = RATE_HZ // 16  # of a clap, before a window's score says something about it
_WINDOW = round(1.4 * RATE_HZ)  # a window that ended later does not hold it any more

_SURELY_APPLAUSE = 0.6
_HEARD = 0.1  # the event model's clap score from which it heard them too
_INSTEAD = 0.5  # score from which it heard something else
_UNHEARD = 0.03  # clap score below which they must look perfect
_PERFECT = 0.85
_AROUND_BEFORE, _AROUND_AFTER = RATE_HZ, round(0.75 * RATE_HZ)
_BELOW_DB = 10.0
_STRAYS, _STRAY_CHANCE, _STRAYS_BEFORE = 2, 0.3, round(2.5 * RATE_HZ)  # single claps just before
_RESTLESS = 4  # other onsets around the claps, about as loud as they
_DOUBTFUL = 0.02  # probability from which an onset may yet be a clap, so that nobody knows how many there were


class Guards:
    """Remembers the last seconds' scores of the event model, and the onsets that were no claps."""

    def __init__(self, labels: Sequence[str]) -> None:
        """Take the event model's labels; those it does not have guard nothing."""
        self._labels = tuple(labels)
        self._index = {label: n for n, label in enumerate(labels)}
        self._against = np.isin(labels, heard_instead(labels))
        self.reset()

    def reset(self) -> None:
        """Forget everything: samples were lost."""
        self._scores: deque[Scores] = deque(maxlen=_KEPT)
        self._others: deque[tuple[Onset, float]] = deque(maxlen=4 * _KEPT)
        self._strays: deque[int] = deque(maxlen=_KEPT)
        self._closed = False

    def push(self, scores: Scores) -> None:
        """Take the next window's scores."""
        self._scores.append(scores)

    def other_onset(self, onset: Onset, probability: float) -> None:
        """Take an onset that does not count as a clap, with the probability that it is one."""
        self._others.append((onset, probability))

    def stray(self, clap: Clap) -> None:
        """Take a clap that stood alone, and made no pattern."""
        if clap.confidence >= _STRAY_CHANCE:
            self._strays.append(clap.at)

    def close(self) -> None:
        """There will be no more scores."""
        self._closed = True

    def ready(self, decided: int) -> bool:
        """Return whether all scores that a decision at this index looks at are there."""
        return self._closed or (bool(self._scores) and self._scores[-1].end > decided - _BEFORE)

    def objection(self, pattern: Pattern) -> tuple[str, str]:
        """Return the reason against a pattern and the figure behind it; two empty texts where there is none."""
        strays = self._strays_before(pattern)
        if strays >= _STRAYS:
            return RESTLESS, f"{strays} single claps just before it"
        others = self._others_near(pattern)
        if len(others) >= _RESTLESS:
            return RESTLESS, f"{len(others)} other sounds as loud around it"
        if max(others, default=0.0) >= _DOUBTFUL:
            return NOT_SURE, f"one more that may be a clap, {max(others):.2f}"
        heard = self._heard(pattern)
        return self._heard_instead(heard, pattern) if heard.size else ("", "")

    def _heard(self, pattern: Pattern) -> NDArray[np.float32]:
        """Return the highest scores, shape (labels,), of the windows that hold a clap of the pattern."""
        first, last = pattern.onsets[0] + _HEARD_AFTER, min(pattern.decided - _BEFORE, pattern.onsets[-1] + _WINDOW)
        rows = [scores.probabilities for scores in self._scores if first <= scores.end <= last]
        return np.max(rows, axis=0) if rows else np.empty(0, np.float32)

    def _heard_instead(self, heard: NDArray[np.float32], pattern: Pattern) -> tuple[str, str]:
        clap = float(heard[self._index[CLAP]]) if CLAP in self._index else 1.0
        applause = float(heard[self._index[APPLAUSE]]) if APPLAUSE in self._index else 0.0
        if applause >= _SURELY_APPLAUSE:
            return APPLAUSE, f"score {applause:.2f}"
        against = np.where(self._against, heard, 0.0)
        other = int(against.argmax())
        if clap < _HEARD and against[other] >= _INSTEAD:
            return self._labels[other], f"score {against[other]:.2f}, clap {clap:.2f}"
        if clap < _UNHEARD and pattern.confidence < _PERFECT:
            return NOT_SURE, f"clap score {clap:.2f}"
        return "", ""

    def _strays_before(self, pattern: Pattern) -> int:
        first = pattern.onsets[0]
        return sum(first - _STRAYS_BEFORE <= at < first for at in self._strays)

    def _others_near(self, pattern: Pattern) -> list[float]:
        """Return the probabilities of the onsets around a pattern that are about as loud as its claps."""
        begin, end = pattern.onsets[0] - _AROUND_BEFORE, min(pattern.onsets[-1] + _AROUND_AFTER, pattern.decided)
        least_db = pattern.level_db - _BELOW_DB
        return [chance for onset, chance in self._others if begin <= onset.at <= end and onset.level_db >= least_db]
