"""False-alarm guards of clap patterns: applause, speech, music, hammering, shots. Pure.

The event model scores the same sound independently. If it scores claps too, its other labels do not count, because
lamps are also switched while music plays. If it does not, the label that it scores highest is the reason.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from edge.claps.reasons import APPLAUSE, CLAP, NOT_SURE, RESTLESS, list_other_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge.claps.onsets import Onset
    from edge.types import Clap, Pattern, Scores

RATE_HZ = 16_000
_BEFORE = RATE_HZ // 5  # scores up to this long before a decision are known at the decision, in any chunking
_KEPT = 64
_AFTER_ONSET = RATE_HZ // 16  # samples after an onset that a window needs before its score counts for the clap
_WINDOW = round(1.4 * RATE_HZ)  # a window that ends later does not contain the clap

_SURELY_APPLAUSE = 0.6
_CONFIRMED = 0.1  # the event model confirms the claps from this clap score on
_OTHER_LABEL = 0.5  # another label explains the sound from this score on
_UNCONFIRMED = 0.03  # below this clap score, the clap network must be surer than _PERFECT
_PERFECT = 0.85
_AROUND_BEFORE, _AROUND_AFTER = RATE_HZ, round(0.75 * RATE_HZ)
_BELOW_DB = 10.0
_STRAYS, _STRAY_CHANCE, _STRAYS_BEFORE = 2, 0.3, round(2.5 * RATE_HZ)  # single claps just before a pattern
_RESTLESS = 4  # other onsets around the claps, about as loud as the claps
_DOUBTFUL = 0.02  # from this probability on an onset may be a clap, so that the number of claps is uncertain


class Guards:
    """Memory of the event model's recent scores and of onsets outside patterns."""

    def __init__(self, labels: Sequence[str]) -> None:
        """Take the event model's labels; a label that it lacks is not checked."""
        self._labels = tuple(labels)
        self._index = {label: n for n, label in enumerate(labels)}
        self._against = np.isin(labels, list_other_labels(labels))
        self.reset()

    def reset(self) -> None:
        """Forget everything, because samples were lost."""
        self._scores: deque[Scores] = deque(maxlen=_KEPT)
        self._others: deque[tuple[Onset, float]] = deque(maxlen=4 * _KEPT)
        self._strays: deque[int] = deque(maxlen=_KEPT)
        self._closed = False

    def push(self, scores: Scores) -> None:
        """Take the next window's scores."""
        self._scores.append(scores)

    def add_other_onset(self, onset: Onset, probability: float) -> None:
        """Add an onset that does not count as a clap, with its probability."""
        self._others.append((onset, probability))

    def add_stray(self, clap: Clap) -> None:
        """Add a single clap that is part of no pattern."""
        if clap.confidence >= _STRAY_CHANCE:
            self._strays.append(clap.at)

    def close(self) -> None:
        """Expect no more scores."""
        self._closed = True

    def is_ready(self, decided: int) -> bool:
        """Return whether all scores for a decision at this index have arrived."""
        return self._closed or (bool(self._scores) and self._scores[-1].end > decided - _BEFORE)

    def find_objection(self, pattern: Pattern) -> tuple[str, str]:
        """Return the reason against a pattern and its figure, or two empty texts."""
        strays = self._count_strays(pattern)
        if strays >= _STRAYS:
            return RESTLESS, f"{strays} single claps just before it"
        others = self._find_others(pattern)
        if len(others) >= _RESTLESS:
            return RESTLESS, f"{len(others)} other sounds as loud around it"
        if max(others, default=0.0) >= _DOUBTFUL:
            return NOT_SURE, f"one more that may be a clap, {max(others):.2f}"
        peaks = self._find_peak_scores(pattern)
        return self._check_scores(peaks, pattern) if peaks.size else ("", "")

    def _find_peak_scores(self, pattern: Pattern) -> NDArray[np.float32]:
        """Return the highest scores, shape (labels,), of the windows with a clap of the pattern."""
        first, last = pattern.onsets[0] + _AFTER_ONSET, min(pattern.decided - _BEFORE, pattern.onsets[-1] + _WINDOW)
        rows = [scores.probabilities for scores in self._scores if first <= scores.end <= last]
        return np.max(rows, axis=0) if rows else np.empty(0, np.float32)

    def _check_scores(self, peaks: NDArray[np.float32], pattern: Pattern) -> tuple[str, str]:
        clap = float(peaks[self._index[CLAP]]) if CLAP in self._index else 1.0
        applause = float(peaks[self._index[APPLAUSE]]) if APPLAUSE in self._index else 0.0
        if applause >= _SURELY_APPLAUSE:
            return APPLAUSE, f"score {applause:.2f}"
        against = np.where(self._against, peaks, 0.0)
        other = int(against.argmax())
        if clap < _CONFIRMED and against[other] >= _OTHER_LABEL:
            return self._labels[other], f"score {against[other]:.2f}, clap {clap:.2f}"
        if clap < _UNCONFIRMED and pattern.confidence < _PERFECT:
            return NOT_SURE, f"clap score {clap:.2f}"
        return "", ""

    def _count_strays(self, pattern: Pattern) -> int:
        first = pattern.onsets[0]
        return sum(first - _STRAYS_BEFORE <= at < first for at in self._strays)

    def _find_others(self, pattern: Pattern) -> list[float]:
        """Return the probabilities of other onsets, about as loud as the claps, around a pattern."""
        begin, end = pattern.onsets[0] - _AROUND_BEFORE, min(pattern.onsets[-1] + _AROUND_AFTER, pattern.decided)
        least_db = pattern.level_db - _BELOW_DB
        return [chance for onset, chance in self._others if begin <= onset.at <= end and onset.level_db >= least_db]
