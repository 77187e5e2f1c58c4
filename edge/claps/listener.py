"""Clap patterns of one stream: onsets, confirmation, matching, guards. Pure.

Audio comes by `push`, the event model's scores by `decide`, in any chunking. Every decision is made at a sample index
from the onsets and scores up to fixed indices before it, so that a replay decides as the live service does.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from edge.claps.confirm import confirm
from edge.claps.crop import BEFORE_SAMPLES, CLAP_FRONT_END
from edge.claps.guards import Guards
from edge.claps.onsets import OnsetDetector
from edge.claps.patterns import Matcher
from edge.types import Clap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge.claps.confirm import ClapNetwork
    from edge.claps.onsets import Onset
    from edge.settings.claps import Claps
    from edge.types import Pattern, Scores

_AFTER_SAMPLES = CLAP_FRONT_END.window_samples - BEFORE_SAMPLES
_KEPT = 64  # onsets kept for `take_onsets`


@dataclass(frozen=True, slots=True)
class JudgedOnset:
    """An onset and the result of its confirmation."""

    at: int
    """Sample index."""
    level_db: float
    probability: float
    """Probability of a clap."""
    clap: Clap | None
    """Set if the onset counts as a clap."""
    reason: str
    """Why the onset does not count; empty if it does."""


class ClapListener:
    """Detector of clap patterns in one stream."""

    def __init__(self, network: ClapNetwork, threshold: float, labels: Sequence[str], settings: Claps) -> None:
        """Take the clap network, its least probability of a clap, and the event model's labels."""
        self._network, self._threshold = network, threshold
        self._matcher = Matcher(settings, CLAP_FRONT_END.sample_rate_hz)
        self._guards = Guards(labels)
        self._detector = OnsetDetector()
        self._onsets: deque[JudgedOnset] = deque(maxlen=_KEPT)
        self._patterns: list[Pattern] = []
        self._clear(0)

    def _clear(self, start: int) -> None:
        self._detector.reset(start)
        # A crop contains silence before the first sample.
        self._sound, self._sound_start = np.zeros(BEFORE_SAMPLES, np.float32), start - BEFORE_SAMPLES
        self._waiting: deque[Onset] = deque()
        self._undecided: deque[Pattern] = deque()

    def reset(self, start: int) -> None:
        """Forget undecided claps after a gap; the next sample is `start`."""
        self._matcher.reset()
        self._guards.reset()
        self._clear(start)

    def push(self, samples: NDArray[np.float32]) -> None:
        """Take the next samples, shape (n,)."""
        self._sound = np.concatenate((self._sound, samples))
        self._waiting += self._detector.push(samples)
        self._confirm_onsets()
        self._advance(self._known_until)

    def decide(self, scores: Scores) -> None:
        """Take the event model's next scores."""
        self._guards.push(scores)
        self._apply_guards()

    def finish(self) -> None:
        """Decide all waiting claps at the end of the stream, as if silence followed."""
        self.push(np.zeros(self._detector.delay_samples + _AFTER_SAMPLES, np.float32))
        self._undecided += self._matcher.finish()
        self._guards.close()
        self._apply_guards()

    def take(self) -> list[Pattern]:
        """Return the patterns since the last call, suppressed ones with their reason."""
        patterns, self._patterns = self._patterns, []
        return patterns

    @property
    def decided_until(self) -> int:
        """The sample index before which `take` has returned every decided pattern."""
        return self._undecided[0].decided if self._undecided else self._known_until

    def take_onsets(self) -> list[JudgedOnset]:
        """Return the onsets judged since the last call, at most the newest 64."""
        onsets = list(self._onsets)
        self._onsets.clear()
        return onsets

    @property
    def _known_until(self) -> int:
        """The sample index up to which every clap is known."""
        return self._waiting[0].at if self._waiting else self._detector.certain_until

    def _confirm_onsets(self) -> None:
        end = self._sound_start + self._sound.size
        while self._waiting and self._waiting[0].at + _AFTER_SAMPLES <= end:
            self._confirm_onset(self._waiting.popleft())
        keep = self._known_until - BEFORE_SAMPLES - self._detector.delay_samples
        self._sound = self._sound[max(0, keep - self._sound_start) :]
        self._sound_start = end - self._sound.size

    def _confirm_onset(self, onset: Onset) -> None:
        first = onset.at - BEFORE_SAMPLES - self._sound_start
        verdict = confirm(onset, self._sound[first : first + CLAP_FRONT_END.window_samples], self._network)
        clap, reason = None, verdict.reason
        if verdict.probability >= self._threshold:
            clap = Clap(onset.at, verdict.probability, onset.level_db)
            self._undecided += self._matcher.add_clap(clap)
        else:
            self._guards.add_other_onset(onset, verdict.probability)
            reason = reason or "not a clap"
        self._onsets.append(JudgedOnset(onset.at, onset.level_db, verdict.probability, clap, reason))

    def _advance(self, now: int) -> None:
        self._undecided += self._matcher.advance(now)
        for clap in self._matcher.take_singles():
            self._guards.add_stray(clap)
        self._apply_guards()

    def _apply_guards(self) -> None:
        """Move each pattern whose scores have arrived to the results, with the guards' objection."""
        while self._undecided and self._guards.is_ready(self._undecided[0].decided):
            pattern = self._undecided.popleft()
            if not pattern.reason:
                reason, detail = self._guards.find_objection(pattern)
                pattern = replace(pattern, reason=reason, detail=detail)
            self._patterns.append(pattern)
