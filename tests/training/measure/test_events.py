"""Events are matched as sed_eval does."""

from __future__ import annotations

import numpy as np
import pytest

from edge.frontend.mel import log_mel
from edge.frontend.params import FrontEndParams
from training.measure.events import Delay, Event, EventCount, count_events, find_events, find_loud_events

PARAMS = FrontEndParams()


@pytest.mark.parametrize(
    ("found", "hits", "onset_hits"),
    [
        (Event(1.15, 3.0), 1, 1),
        (Event(1.25, 3.0), 0, 0),
        (Event(1.0, 3.35), 1, 1),
        (Event(1.0, 3.45), 0, 1),
        (Event(1.0, 2.55), 0, 1),
    ],
)
def test_collars(found: Event, hits: int, onset_hits: int) -> None:
    """An onset may be 200 ms off, the offset of 2 s of sound 400 ms: a fifth of it."""
    assert count_events([Event(1.0, 3.0)], [found]).hits == hits
    assert count_events([Event(1.0, 3.0)], [found], offsets=False).hits == onset_hits


def test_the_end_of_a_short_sound_has_the_collar_of_its_begin() -> None:
    """A fifth of 100 ms would be nothing: 200 ms hold."""
    assert count_events([Event(1.0, 1.1)], [Event(1.0, 1.29)]).hits == 1


def test_an_event_is_in_one_pair_only() -> None:
    """Two estimates of one event are a hit and a false alarm, and so the other way round."""
    twice = [Event(1.0, 2.0), Event(1.1, 2.0)]
    assert count_events([Event(1.0, 2.0)], twice) == EventCount(1, 1, 2)
    assert count_events(twice, [Event(1.0, 2.0)]) == EventCount(1, 2, 1)


def test_the_matching_is_the_largest() -> None:
    """The first reference leaves the only estimate that fits the second to it, though it is as near itself."""
    reference, estimated = [Event(1.0, 2.0), Event(1.3, 2.0)], [Event(1.15, 2.0), Event(0.9, 2.0)]
    assert count_events(reference, estimated).hits == 2


def test_f1_is_over_all_recordings() -> None:
    """Counts are added before they are divided; without any event there is no F1."""
    assert (EventCount(1, 2, 1) + EventCount(0, 0, 1)).f1 == pytest.approx(0.5)
    assert np.isnan(EventCount().f1)


def test_events_of_decisions_have_hysteresis() -> None:
    """A score between `off` and `on` continues an event, but does not begin one."""
    chances = np.array([0.4, 0.9, 0.4, 0.1, 0.4, 0.9])
    assert find_events(chances, 0.5, 0.3, 0.125) == [Event(0.125, 0.375), Event(0.625, 0.75)]
    assert find_events(np.zeros(0), 0.5, 0.3, 0.125) == []


def test_events_are_where_the_sound_was() -> None:
    """The delay of decisions is taken off, and an event still lasts a step."""
    chances = np.array([0.1, 0.1, 0.9, 0.9, 0.1])
    assert find_events(chances, 0.5, 0.3, 0.125, Delay(0.125, 0.25)) == [Event(0.125, 0.25)]
    assert find_events(chances, 0.5, 0.3, 0.125, Delay(0.0, 1.0)) == [Event(0.25, 0.375)]


def test_a_loud_stretch_is_the_reference() -> None:
    """A breath does not part an event, a second of silence does."""
    rng, rate = np.random.default_rng(1), PARAMS.sample_rate_hz
    level = np.full(5 * rate, 1e-3)
    for begin_s, end_s in ((1.0, 1.5), (1.8, 2.2), (3.5, 4.0)):
        level[int(begin_s * rate) : int(end_s * rate)] = 0.3
    events = find_loud_events(log_mel((rng.standard_normal(level.size) * level).astype(np.float32), PARAMS), PARAMS)
    assert np.array(events) == pytest.approx(np.array([(1.0, 2.2), (3.5, 4.0)]), abs=0.04)
