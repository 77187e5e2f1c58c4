"""Event-based F1 (Mesaros et al. 2016): correct onsets and offsets of sounds.

Of two lists of events a hit is a pair, each event in one pair at most and as many pairs as possible, whose onsets
differ by no more than 200 ms and whose offsets by no more than 200 ms or a fifth of the reference's length, whichever
is more: the rule of sed_eval, with its optimal matching.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from training.data.onsets import find_loud_frames

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge.frontend.params import FrontEndParams

COLLAR_S, COLLAR_SHARE = 0.2, 0.2
_PAUSE_S = 0.5
"""Longest silence within a reference event: a siren pauses, a motor knocks."""


class Event(NamedTuple):
    """Onset and offset of a sound."""

    onset_s: float
    offset_s: float


class Delay(NamedTuple):
    """Delay of the decisions after the onset and offset of a sound."""

    onset_s: float = 0.0
    offset_s: float = 0.0


NO_DELAY = Delay()


@dataclasses.dataclass(frozen=True, slots=True)
class EventCount:
    """Events of one label over some recordings."""

    hits: int = 0
    references: int = 0
    estimates: int = 0

    def __add__(self, other: EventCount) -> EventCount:
        return EventCount(*(a + b for a, b in zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)))

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; NaN without any event."""
        events = self.references + self.estimates
        return 2 * self.hits / events if events else float("nan")


def count_events(reference: Sequence[Event], estimated: Sequence[Event], *, offsets: bool = True) -> EventCount:
    """Compare the events of one label in one recording.

    Without `offsets` only the onsets must agree.
    """
    if not reference or not estimated:
        return EventCount(0, len(reference), len(estimated))
    wanted, found = np.array(reference), np.array(estimated)  # (references, 2), (estimates, 2)
    apart = np.abs(wanted[:, None] - found[None])  # (references, estimates, 2)
    fits = apart[..., 0] <= COLLAR_S
    if offsets:
        collar_s = np.maximum(COLLAR_S, COLLAR_SHARE * (wanted[:, 1] - wanted[:, 0]))
        fits &= apart[..., 1] <= collar_s[:, None]
    pairs = maximum_bipartite_matching(csr_matrix(fits), perm_type="column")
    return EventCount(int(np.sum(pairs >= 0)), len(reference), len(estimated))


def find_events(
    chances: NDArray[np.float64], on: float, off: float, step_s: float, delay: Delay = NO_DELAY
) -> list[Event]:
    """Return the events in decisions, shape (decisions,).

    The first decision is about the first `step_s`. An event begins with the step that reaches `on` and ends with the
    first that is below `off`, less the delay of both; it lasts a step at least.
    """
    known = np.where(chances >= on, 1, np.where(chances < off, 0, -1))  # -1: unchanged
    last = np.maximum.accumulate(np.where(known >= 0, np.arange(len(known)), 0))
    found = [(a * step_s - delay.onset_s, b * step_s - delay.offset_s) for a, b in _find_runs(known[last] == 1)]
    return [Event(onset_s, max(offset_s, onset_s + step_s)) for onset_s, offset_s in found]


def find_loud_events(mel: NDArray[np.float32], params: FrontEndParams) -> list[Event]:
    """Return the loud stretches of a clip, shape (frames, n_mels), as events.

    They are the best reference for recordings of one sound without annotated times. Pauses up to half a second do not
    split an event.
    """
    loud = np.zeros(len(mel), np.bool_)
    loud[find_loud_frames(mel, params)] = True
    pause = round(_PAUSE_S * params.frames_per_s)
    events: list[tuple[int, int]] = []
    for begin, end in _find_runs(loud):
        if events and begin - events[-1][1] <= pause:
            events[-1] = (events[-1][0], end)
        else:
            events.append((begin, end))
    return [Event(begin / params.frames_per_s, end / params.frames_per_s) for begin, end in events]


def _find_runs(active: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return begin and end (exclusive) of every run of true values."""
    edges = np.flatnonzero(np.diff(active.astype(np.int8), prepend=0, append=0))
    return [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]
