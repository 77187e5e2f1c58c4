"""State machine of one label: its table, its times and its invariants."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.detection.detector import TABLE, Detector, Signal, State, next_state
from edge.detection.level import LevelMeter
from edge.frontend.params import FrontEndParams
from edge.types import Event, Phase
from tests.support.rules import make_rule

if TYPE_CHECKING:
    from edge.detection.rules import Rule

PARAMS = FrontEndParams()
STEP = PARAMS.decision_samples
FIRST = (PARAMS.decision_frames - 1) * PARAMS.hop_samples + PARAMS.n_fft
FAST = make_rule(
    "gunshot", on=0.6, off=0.3, min_windows=1, hold_s=0.5, cooldown_s=0.25, max_duration_s=10, smoothing_s=0
)


def make_detector(rule: Rule, update_s: float = 2.0, meter: LevelMeter | None = None) -> Detector:
    ids = itertools.count(1)
    if meter is None:
        meter = LevelMeter(PARAMS)
        meter.push(np.full((640, PARAMS.n_fft // 2 + 1), 1e-6, np.float32))
    return Detector(rule, PARAMS, meter, lambda: f"event-{next(ids)}", update_s=update_s, offset_db=0.0)


def run(rule: Rule, scores: list[float], update_s: float = 2.0) -> list[Event]:
    machine = make_detector(rule, update_s)
    return [event for i, score in enumerate(scores) for event in machine.step(score, FIRST + i * STEP)]


def list_phases(events: list[Event]) -> list[str]:
    return [event.phase.value for event in events]


def test_one_strong_window_starts_an_event_on_the_fast_path() -> None:
    """A gunshot is reported by the first decision above `on`."""
    events = run(FAST, [0.1, 0.9, 0.1])
    assert list_phases(events) == ["start"]
    assert events[0].decided == FIRST + STEP
    assert events[0].score == pytest.approx(0.9)


def test_an_event_ends_once_after_its_hold_and_keeps_one_id() -> None:
    """Start and end share the id, and the end has the peak score."""
    events = run(FAST, [0.1, 0.7, 0.95, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
    assert list_phases(events) == ["start", "end"]
    assert len({event.event_id for event in events}) == 1
    assert events[1].peak_score == pytest.approx(0.95)
    assert events[1].end is not None
    assert events[1].onset < events[1].end <= events[1].decided


def test_between_off_and_on_nothing_changes() -> None:
    """A score in between neither starts nor ends an event (hysteresis)."""
    assert run(FAST, [0.5] * 30) == []
    assert list_phases(run(FAST, [0.9] + [0.4] * 30, update_s=100)) == ["start"]


def test_a_dip_shorter_than_the_hold_does_not_end_an_event() -> None:
    """A dip of less than half a second below `off` is bridged."""
    assert list_phases(run(FAST, [0.9, 0.1, 0.1, 0.9, 0.1, 0.1, 0.9], update_s=100)) == ["start"]


def test_enough_windows_in_a_row_are_needed() -> None:
    """A single window does not start a siren."""
    rule = make_rule("siren", on=0.6, off=0.3, min_windows=3, smoothing_s=0)
    assert run(rule, [0.9, 0.9, 0.1] * 5) == []
    assert list_phases(run(rule, [0.9, 0.9, 0.9])) == ["start"]


def test_a_minimum_duration_delays_the_report_but_not_the_onset() -> None:
    """The onset is at the first decision above `on`."""
    rule = make_rule("siren", on=0.6, off=0.3, min_windows=1, min_duration_s=0.5, smoothing_s=0)
    late = run(rule, [0.0] * 20 + [0.9] * 5)
    assert list_phases(late) == ["start"]
    assert late[0].decided - FIRST == 24 * STEP
    assert late[0].onset <= FIRST + 20 * STEP


def test_no_new_event_begins_while_cooling() -> None:
    """A new event may begin in the decision that ends the cooldown."""
    rule = make_rule("horn", on=0.6, off=0.3, min_windows=1, hold_s=0, cooldown_s=1.0, smoothing_s=0)
    events = run(rule, [0.9, 0.1, *[0.9] * 10])
    assert list_phases(events) == ["start", "end", "start"]
    assert events[2].decided - events[1].decided == PARAMS.sample_rate_hz
    assert events[0].event_id != events[2].event_id


def test_an_event_of_the_longest_duration_is_split() -> None:
    """It ends, and another one begins."""
    rule = make_rule("traffic", on=0.6, off=0.3, min_windows=1, cooldown_s=0, max_duration_s=2.0, smoothing_s=0)
    events = run(rule, [0.9] * 40, update_s=100)
    assert list_phases(events)[:3] == ["start", "end", "start"]
    assert events[1].end == events[1].decided


def test_updates_come_at_their_interval() -> None:
    """A long event has an update every `update_s` seconds."""
    events = run(make_rule("siren", min_windows=1, smoothing_s=0), [0.9] * 41, update_s=2.0)
    assert list_phases(events) == ["start", "update", "update"]
    assert events[1].decided - events[0].decided == 2 * PARAMS.sample_rate_hz


def test_smoothing_averages_over_its_seconds() -> None:
    """One strong window in eight is not enough for a slow label."""
    rule = make_rule("siren", on=0.6, off=0.3, min_windows=1, smoothing_s=1.0)
    assert run(rule, [0.0] * 8 + [1.0] + [0.0] * 8) == []
    events = run(rule, [0.0] * 8 + [1.0] * 8)
    assert list_phases(events) == ["start"]
    assert events[0].score == pytest.approx(5 / 8)


def test_no_event_begins_at_the_start_of_a_stream() -> None:
    """The start of a microphone is not a gunshot."""
    machine = make_detector(FAST)
    assert machine.step(0.99, FIRST, may_start=False) == []
    assert list_phases(machine.step(0.99, FIRST + STEP)) == ["start"]


def test_a_gap_ends_an_event_and_marks_it() -> None:
    """An event at lost samples ends with a mark, and another one may begin."""
    machine = make_detector(FAST)
    machine.step(0.9, FIRST)
    (end,) = machine.interrupt(FIRST)
    assert (end.phase, end.gap) == (Phase.END, True)
    assert machine.interrupt(FIRST) == []
    (start,) = machine.step(0.9, FIRST + 90 * STEP, gap=True)
    assert start.gap
    assert start.onset >= FIRST


def test_the_end_of_a_stream_ends_an_event_without_a_gap() -> None:
    """The end of a file is not a gap."""
    machine = make_detector(FAST)
    machine.step(0.9, FIRST)
    assert not machine.interrupt(FIRST, lost=False)[0].gap


def test_the_onset_is_where_the_level_rises() -> None:
    """A fast event's onset is found in the level, to a frame."""
    meter = LevelMeter(PARAMS)
    power = np.full((64, PARAMS.n_fft // 2 + 1), 1e-8, np.float32)
    power[37:] = 1e-3
    meter.push(power)
    machine = make_detector(FAST, meter=meter)
    events = []
    for upto in range(8, 65, 8):
        end = (upto - 1) * PARAMS.hop_samples + PARAMS.n_fft
        events += machine.step(0.9 if upto >= 40 else 0.0, end)
    assert abs(events[0].onset - 37 * PARAMS.hop_samples) <= PARAMS.n_fft
    assert events[0].lafmax_db > -40


@pytest.mark.parametrize("rise", range(30, 41))
def test_a_start_has_a_level_for_any_onset(rise: int) -> None:
    """The sound may begin in the last frame."""
    meter = LevelMeter(PARAMS)
    power = np.full((40, PARAMS.n_fft // 2 + 1), 1e-8, np.float32)
    power[rise:] = 1e-3
    meter.push(power)
    machine = make_detector(FAST, meter=meter)
    (start,) = machine.step(0.9, (40 - 1) * PARAMS.hop_samples + PARAMS.n_fft)
    assert start.laeq_db > -100


def test_transitions_outside_the_table_raise() -> None:
    """An illegal transition is a bug, and is never ignored."""
    for state, signal in itertools.product(State, Signal):
        if (state, signal) in TABLE:
            assert next_state(state, signal) == TABLE[state, signal]
        else:
            with pytest.raises(ValueError, match="no move from"):
                next_state(state, signal)


RULES = st.builds(
    lambda on, share, **others: make_rule("x", on=on, off=on * share, **others),
    st.floats(0.05, 1.0),
    st.floats(0.0, 1.0),
    min_windows=st.integers(1, 5),
    min_duration_s=st.sampled_from([0.0, 0.3]),
    hold_s=st.sampled_from([0.0, 0.2, 1.0]),
    cooldown_s=st.sampled_from([0.0, 0.5]),
    max_duration_s=st.sampled_from([0.5, 3.0, 60.0]),
    smoothing_s=st.sampled_from([0.0, 0.5, 2.0]),
)
SCORES = st.lists(st.one_of(st.floats(0.0, 1.0), st.sampled_from([0.0, 1.0])), max_size=120)
BREAKS = st.sets(st.integers(0, 119), max_size=4)


@settings(max_examples=300, deadline=None)
@given(RULES, SCORES, BREAKS)
def test_events_of_any_scores_are_well_formed(rule: Rule, scores: list[float], breaks: set[int]) -> None:
    """Each event has a start, updates and one end, in order, and only one is open at a time."""
    machine = make_detector(rule, update_s=0.5)
    events: list[Event] = []
    for i, score in enumerate(scores):
        if i in breaks:
            events += machine.interrupt(FIRST + (i - 1) * STEP)
        events += machine.step(score, FIRST + i * STEP)
    events += machine.interrupt(FIRST + len(scores) * STEP, lost=False)
    assert machine.interrupt(FIRST + len(scores) * STEP) == []
    lives = [list(life) for _, life in itertools.groupby(events, key=lambda event: event.event_id)]
    assert len(lives) == len({life[0].event_id for life in lives})
    previous_end = 0
    for life in lives:
        assert list_phases(life)[0] == "start"
        assert list_phases(life)[-1] == "end"
        assert set(list_phases(life)[1:-1]) <= {"update"}
        assert len({event.onset for event in life}) == 1
        assert life[0].onset >= previous_end
        assert all(event.peak_score >= event.score for event in life)
        assert life[0].score >= rule.on
        assert [event.decided for event in life] == sorted(event.decided for event in life)
        assert life[-1].end is not None
        assert life[0].onset < life[-1].end
        previous_end = life[-1].end


@settings(max_examples=100, deadline=None)
@given(RULES, SCORES)
def test_scores_below_on_never_make_an_event(rule: Rule, scores: list[float]) -> None:
    """A score below `on` is never enough."""
    assert run(rule, [min(score, rule.on * 0.99) for score in scores]) == []
