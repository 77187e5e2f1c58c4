"""Detector of one label's events: a pure state machine, driven by a table.

An event is *rising* while its score is at or above `on` but not yet for long enough, *active* once it is reported,
*falling* while its score is below `off` and the hold is not over, and *cooling* after its end, when no new event may
begin. Between `on` and `off` nothing changes (hysteresis). A transition that is not in the table raises and changes
nothing.
"""

from __future__ import annotations

import enum
import math
from collections import deque
from typing import TYPE_CHECKING

from edge.types import Event, Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.detection.level import LevelMeter, LevelSpan
    from edge.detection.rules import Rule
    from edge.frontend.params import FrontEndParams


class State(enum.Enum):
    """The state of a label."""

    IDLE = "idle"
    RISING = "rising"
    ACTIVE = "active"
    FALLING = "falling"
    COOLING = "cooling"


class Signal(enum.Enum):
    """The input of the state machine, from a score and the time."""

    HIGH = "at or above on, not yet long enough"
    CONFIRMED = "at or above on, long enough"
    MIDDLE = "between off and on"
    LOW = "below off"
    DUE = "not below off, and an update is due"
    HELD = "below off for the whole hold"
    OVERLONG = "longer than the longest event"
    COOLED = "cooldown over"
    LOST = "samples were lost, or the stream ended"


_I, _R, _A, _F, _C = State
TABLE: dict[tuple[State, Signal], tuple[State, Phase | None]] = {
    (_I, Signal.LOW): (_I, None),
    (_I, Signal.MIDDLE): (_I, None),
    (_I, Signal.HIGH): (_R, None),
    (_I, Signal.CONFIRMED): (_A, Phase.START),
    (_I, Signal.LOST): (_I, None),
    (_R, Signal.LOW): (_I, None),
    (_R, Signal.MIDDLE): (_I, None),
    (_R, Signal.HIGH): (_R, None),
    (_R, Signal.CONFIRMED): (_A, Phase.START),
    (_R, Signal.LOST): (_I, None),
    (_A, Signal.MIDDLE): (_A, None),
    (_A, Signal.DUE): (_A, Phase.UPDATE),
    (_A, Signal.LOW): (_F, None),
    (_A, Signal.HELD): (_C, Phase.END),
    (_A, Signal.OVERLONG): (_C, Phase.END),
    (_A, Signal.LOST): (_I, Phase.END),
    (_F, Signal.MIDDLE): (_A, None),
    (_F, Signal.DUE): (_A, Phase.UPDATE),
    (_F, Signal.LOW): (_F, None),
    (_F, Signal.HELD): (_C, Phase.END),
    (_F, Signal.OVERLONG): (_C, Phase.END),
    (_F, Signal.LOST): (_I, Phase.END),
    (_C, Signal.LOW): (_C, None),
    (_C, Signal.COOLED): (_I, None),
    (_C, Signal.LOST): (_I, None),
}


def next_state(state: State, signal: Signal) -> tuple[State, Phase | None]:
    """Return the next state, and the phase of the message that the transition makes.

    Raises `ValueError` for a transition that is not in the table.
    """
    try:
        return TABLE[state, signal]
    except KeyError:
        msg = f"no move from {state.value} on '{signal.value}'"
        raise ValueError(msg) from None


class Detector:
    """Detector of one label in one stream, which needs every decision in order."""

    def __init__(
        self,
        rule: Rule,
        params: FrontEndParams,
        meter: LevelMeter,
        new_id: Callable[[], str],
        *,
        update_s: float,
        offset_db: float,
        begin: int = 0,
    ) -> None:
        """Start idle.

        `meter` is the stream's, `new_id` makes the id of each event, and no onset is before sample `begin`.
        """
        rate = params.sample_rate_hz
        self.rule = rule
        self.state = State.IDLE
        self._params, self._meter, self._new_id, self._offset_db = params, meter, new_id, offset_db
        self._min_duration = round(rule.min_duration_s * rate)
        self._hold = round(rule.hold_s * rate)
        self._cooldown = round(rule.cooldown_s * rate)
        self._max_duration = round(rule.max_duration_s * rate)
        self._update = round(update_s * rate)
        self._smoothing = round(rule.smoothing_s * rate)
        self._recent: deque[float] = deque(maxlen=max(1, self._smoothing // params.decision_samples))
        # A score rises with a sound anywhere in the window (fast), or with about half a window of it (slow).
        self._tail = params.window_samples * 4 // 5 if rule.fast else (params.window_samples + self._smoothing) // 2
        self._begin = begin
        self._clear()

    def _clear(self) -> None:
        self._rising_since = self._windows = self._started = self._onset = self._last_high = self._last_message = 0
        self._peak = 0.0
        self._event_id = ""
        self._gap = False
        self._span: LevelSpan | None = None

    @property
    def active(self) -> bool:
        """Whether an event is going on."""
        return self.state in (State.ACTIVE, State.FALLING)

    def step(self, probability: float, end: int, *, may_start: bool = True, gap: bool = False) -> list[Event]:
        """Take the decision made at sample `end` and return its messages, oldest first.

        `may_start` is false while too little of the stream is known to begin an event. `gap` tells that samples were
        lost shortly before; an event that begins here is marked with it.
        """
        self._recent.append(probability if math.isfinite(probability) else 0.0)  # a NaN would spoil the mean
        score = self._smooth_score()
        if self.state is State.IDLE and score < self.rule.on:
            return []  # by far the most frequent case
        messages: list[Event] = []
        while True:
            before = self.state
            signal = self._classify(score, end, may_start=may_start)
            self.state, phase = next_state(before, signal)
            self._enter(before, end, gap=gap)
            if (self.active or phase is Phase.END) and score >= self.rule.off:
                self._peak = max(self._peak, score)
                self._last_high = end
                self._extend_level(end)
            if phase is not None:
                messages.append(self._make_message(phase, score, end))
            if signal is not Signal.COOLED:
                return messages

    def interrupt(self, end: int, *, lost: bool = True, resume: int | None = None) -> list[Event]:
        """End the current event at sample `end`: a gap (`lost`) or the stream's end.

        `resume` is the first sample after the gap, if known; no onset is before it.
        """
        was_active = self.active
        self._gap = self._gap or lost
        self.state, phase = next_state(self.state, Signal.LOST)
        messages = [self._make_message(phase, self._smooth_score(), end)] if phase and was_active else []
        self._recent.clear()
        self._begin = end if resume is None else resume
        self._clear()
        return messages

    def _smooth_score(self) -> float:
        return sum(self._recent) / len(self._recent) if self._recent else 0.0

    def _classify(self, score: float, end: int, *, may_start: bool) -> Signal:
        if self.state is State.COOLING:
            return Signal.COOLED if end - self._last_message >= self._cooldown else Signal.LOW
        if self.active:
            if end - self._onset >= self._max_duration:
                return Signal.OVERLONG
            if score < self.rule.off:
                return Signal.HELD if end - self._last_high >= self._hold else Signal.LOW
            return Signal.DUE if end - self._last_message >= self._update else Signal.MIDDLE
        if score < self.rule.on or not may_start:
            return Signal.LOW if score < self.rule.off else Signal.MIDDLE
        since = self._rising_since if self.state is State.RISING else end
        enough = self._windows + 1 >= self.rule.min_windows and end - since >= self._min_duration
        return Signal.CONFIRMED if enough else Signal.HIGH

    def _enter(self, before: State, end: int, *, gap: bool) -> None:
        if self.state is State.RISING:
            self._windows += 1
            if before is State.IDLE:
                self._rising_since = end
        elif self.state is State.IDLE:
            self._windows = 0
        elif self.state is State.ACTIVE and before in (State.IDLE, State.RISING):
            first = self._rising_since if before is State.RISING else end
            self._clear()
            self._started, self._gap, self._event_id = end, gap, self._new_id()
            self._onset = max(self._begin, self._estimate_onset(first))
            # At least the newest frame, because a level needs a frame.
            newest = self._params.count_frames(end) - 1
            self._span = self._meter.start_span(min(self._onset // self._params.hop_samples, newest))

    def _estimate_onset(self, end: int) -> int:
        """Estimate the onset of the sound that is first detected at `end`."""
        if not self.rule.fast:
            return end - self._tail
        hop = self._params.hop_samples
        # A decision detects a sound some 50 ms after it began, so search from a little before the previous decision.
        earliest = end - 2 * self._params.decision_samples - self._params.n_fft
        frame = self._meter.find_steepest_rise(earliest // hop, self._params.count_frames(end))
        # A frame contains a sound that begins in its second half.
        return earliest if frame is None else frame * hop + self._params.n_fft // 2

    def _extend_level(self, end: int) -> None:
        if self._span is not None:
            self._meter.extend(self._span, self._params.count_frames(end))

    def _make_message(self, phase: Phase, score: float, end: int) -> Event:
        self._last_message = end
        finish = None
        if phase is Phase.END:
            over = end if score >= self.rule.off else self._last_high - self._tail
            finish = max(self._onset + self._params.hop_samples, over)
            self._begin = finish
        span = self._span
        return Event(
            event_id=self._event_id,
            phase=phase,
            label=self.rule.label,
            score=score,
            peak_score=self._peak,
            onset=self._onset,
            end=finish,
            decided=end,
            laeq_db=span.laeq_db(self._offset_db) if span else 0.0,
            lafmax_db=span.lafmax_db(self._offset_db) if span else 0.0,
            gap=self._gap,
        )
