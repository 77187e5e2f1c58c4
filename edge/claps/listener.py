"""Clap patterns of one stream: onsets, confirmed one by one, matched, and guarded by what else sounds. Pure.

Audio comes by `push`, the event model's scores by `decide`, in any chunking: every decision is made at a sample index,
from the onsets and the scores up to fixed indices before it, so that a replay decides as the live service does.
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
_KEPT = 64  # onsets that wait to be shown


@dataclass(frozen=True, slots=True)
class HeardOnset:
    """An onset and what became of it."""

    at: int
    """Sample index."""
    level_db: float
    probability: float
    """That it is a clap."""
    clap: Clap | None
    """Set where it counts as one."""
    why: str
    """Why it does not count; empty where it does."""


class ClapListener:
    """Hears clap patterns in one stream."""

    def __init__(self, network: ClapNetwork, threshold: float, labels: Sequence[str], settings: Claps) -> None:
        """Take the clap network with the probability from which it is believed, and the event model's labels."""
        self._network, self._threshold = network, threshold
        self._matcher = Matcher(settings, CLAP_FRONT_END.sample_rate_hz)
        self._guards = Guards(labels)
        self._detector = OnsetDetector()
        self._onsets: deque[HeardOnset] = deque(maxlen=_KEPT)
        self._patterns: list[Pattern] = []
        self._begin(0)

    def _begin(self, start: int) -> None:
        self._detector.reset(start)
        # What was before the first sample was silence, as far as a crop is concerned.
        self._sound, self._sound_start = np.zeros(BEFORE_SAMPLES, np.float32), start - BEFORE_SAMPLES
        self._waiting: deque[Onset] = deque()
        self._undecided: deque[Pattern] = deque()

    def reset(self, start: int) -> None:
        """Forget what was not decided: samples were lost, and the next is `start`."""
        self._matcher.reset()
        self._guards.reset()
        self._begin(start)

    def push(self, samples: NDArray[np.float32]) -> None:
        """Take the next samples, shape (n,)."""
        self._sound = np.concatenate((self._sound, samples))
        self._waiting += self._detector.push(samples)
        self._judge()
        self._advance(self._known_until)

    def decide(self, scores: Scores) -> None:
        """Take the event model's next scores."""
        self._guards.push(scores)
        self._guard()

    def finish(self) -> None:
        """Decide what waits: the stream is over, and silence follows."""
        self.push(np.zeros(self._detector.delay_samples + _AFTER_SAMPLES, np.float32))
        self._undecided += self._matcher.finish()
        self._guards.close()
        self._guard()

    def take(self) -> list[Pattern]:
        """Return the patterns decided since the last call, suppressed ones with their reason."""
        patterns, self._patterns = self._patterns, []
        return patterns

    @property
    def decided_until(self) -> int:
        """The index before which every pattern has been there to be taken: none that comes was decided earlier."""
        return self._undecided[0].decided if self._undecided else self._known_until

    def take_onsets(self) -> list[HeardOnset]:
        """Return the latest onsets judged since the last call."""
        onsets = list(self._onsets)
        self._onsets.clear()
        return onsets

    @property
    def _known_until(self) -> int:
        """The index up to which every clap is known."""
        return self._waiting[0].at if self._waiting else self._detector.certain_until

    def _judge(self) -> None:
        end = self._sound_start + self._sound.size
        while self._waiting and self._waiting[0].at + _AFTER_SAMPLES <= end:
            onset = self._waiting.popleft()
            self._heard_onset(onset)
        keep = self._known_until - BEFORE_SAMPLES - self._detector.delay_samples
        self._sound = self._sound[max(0, keep - self._sound_start) :]
        self._sound_start = end - self._sound.size

    def _heard_onset(self, onset: Onset) -> None:
        first = onset.at - BEFORE_SAMPLES - self._sound_start
        verdict = confirm(onset, self._sound[first : first + CLAP_FRONT_END.window_samples], self._network)
        clap, why = None, verdict.why
        if verdict.probability >= self._threshold:
            clap = Clap(onset.at, verdict.probability, onset.level_db)
            self._undecided += self._matcher.clap(clap)
        else:
            self._guards.other_onset(onset, verdict.probability)
            why = why or "not a clap"
        self._onsets.append(HeardOnset(onset.at, onset.level_db, verdict.probability, clap, why))

    def _advance(self, now: int) -> None:
        self._undecided += self._matcher.advance(now)
        for clap in self._matcher.take_singles():
            self._guards.stray(clap)
        self._guard()

    def _guard(self) -> None:
        """Let the patterns pass for which enough was heard of what else sounds."""
        while self._undecided and self._guards.ready(self._undecided[0].decided):
            pattern = self._undecided.popleft()
            if not pattern.reason:
                reason, detail = self._guards.objection(pattern)
                pattern = replace(pattern, reason=reason, detail=detail)
            self._patterns.append(pattern)
