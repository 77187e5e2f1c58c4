"""The switch of the away mode: delay, schedule, quiet hours, restarts and clocks that change."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.away.switch import AwaySwitch, _joined, status
from edge.away.zone import LOCAL
from edge.settings_reactions import Away

if TYPE_CHECKING:
    from collections.abc import Iterator

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = [{"from": "08:00", "to": "17:30", "days": ["mon", "tue", "wed", "thu", "fri"]}]
NIGHT = [{"from": "22:00", "to": "06:00"}]


def at(clock: str, day: int = 5, month: int = 1, *, fold: int = 0) -> dt.datetime:
    """Return a time in January 2026, of which the 5th is a Monday."""
    return dt.datetime(2026, month, day, *map(int, clock.split(":")), tzinfo=BERLIN, fold=fold)


def switch(**settings: Any) -> AwaySwitch:
    return AwaySwitch(Away.model_validate(settings))


def test_it_is_off_until_somebody_switches_it() -> None:
    """Without a schedule it stays as it was set, however long ago that was."""
    away = switch(arming_s=0)
    assert not away.is_on(at("12:00"))
    assert away.set(True, at("12:00"))
    assert away.is_on(at("12:00", 30, 11))
    assert away.set(False, at("12:00", 30, 11))
    assert not away.is_on(at("12:00", 1, 12))


def test_it_listens_after_the_delay() -> None:
    """On at once, armed later; to switch it on again does not begin the delay anew."""
    away = switch(arming_s=30)
    away.set(True, at("12:00:00"))
    assert away.arming_until(at("12:00:29")) == at("12:00:30")
    assert not away.set(True, at("12:00:20"))
    assert not away.armed(at("12:00:29"))
    assert away.armed(at("12:00:30"))
    assert away.arming_until(at("12:00:30")) is None


@pytest.mark.parametrize(
    ("clock", "day", "on"),
    [("07:59", 5, False), ("08:00", 5, True), ("17:29", 5, True), ("17:30", 5, False), ("12:00", 10, False)],
)
def test_a_schedule_switches_at_its_edges(clock: str, day: int, on: bool) -> None:
    """On at its beginning, off at its end, and not on days that are not named."""
    assert switch(schedule=OFFICE).is_on(at(clock, day)) is on


def test_the_delay_counts_from_the_edge() -> None:
    """Whoever leaves at the scheduled time has the same time to do so."""
    away = switch(schedule=OFFICE, arming_s=60)
    assert away.arming_until(at("08:00:30")) == at("08:01:00")
    assert away.armed(at("08:01:00"))


def test_what_a_person_sets_holds_until_the_next_edge() -> None:
    """Somebody stays at home on Monday; on Tuesday the schedule counts again, and likewise the other way."""
    away = switch(schedule=OFFICE, arming_s=0)
    away.set(False, at("09:00"))
    assert not away.is_on(at("17:00"))
    assert away.is_on(at("08:00", 6))
    away.set(True, at("20:00", 6))
    assert away.is_on(at("07:00", 7))
    assert not away.is_on(at("17:30", 7))


def test_a_span_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    """Friday's night goes on into Saturday."""
    away = switch(schedule=[{**NIGHT[0], "days": ["fri"]}])
    states = [away.is_on(at(clock, day)) for clock, day in (("21:59", 9), ("22:00", 9), ("05:59", 10), ("06:00", 10))]
    assert states == [False, True, True, False]
    assert not away.is_on(at("23:00", 10))


def test_spans_that_overlap_or_touch_are_one() -> None:
    """Where one ends within another, nothing is switched, and what was set holds."""
    away = switch(schedule=[{"from": "08:00", "to": "12:00"}, {"from": "11:00", "to": "14:00"}, *NIGHT])
    away.set(False, at("10:00"))
    assert not away.is_on(at("13:59"))
    assert away.is_on(at("22:00"))


def test_a_schedule_without_an_edge_is_always_on_until_somebody_says_off() -> None:
    """Two spans that fill the week never switch anything back."""
    away = switch(schedule=[{"from": "00:00", "to": "12:00"}, {"from": "12:00", "to": "00:00"}])
    assert away.armed(at("12:00"))
    away.set(False, at("12:00"))
    assert not away.is_on(at("12:00", 28, 6))


def test_quiet_hours_mute_and_leave_it_on() -> None:
    """On, but not armed."""
    away = switch(quiet_hours=NIGHT, arming_s=0)
    away.set(True, at("12:00"))
    assert [away.armed(at(clock)) for clock in ("21:59", "22:00", "05:59", "06:00")] == [True, False, False, True]
    assert away.is_on(at("23:00"))


def test_clocks_that_are_put_forward_and_back() -> None:
    """On 29 March the night has 7 hours, on 25 October 9; the edges are where the clock on the wall says."""
    away = switch(schedule=NIGHT, arming_s=0)
    for day, month, hours in ((28, 3, 7), (24, 10, 9)):
        begin, end = at("22:00", day, month), at("06:00", day + 1, month)
        assert (end.astimezone(dt.timezone.utc) - begin.astimezone(dt.timezone.utc)) == dt.timedelta(hours=hours)
        before = dt.timedelta(seconds=1)
        for edge, on in ((begin, True), (end, False)):
            utc = edge.astimezone(dt.timezone.utc)
            assert away.is_on(utc.astimezone(BERLIN)) is on
            assert away.is_on((utc - before).astimezone(BERLIN)) is not on


def test_a_delay_in_the_hour_that_comes_twice() -> None:
    """Half a minute is half a minute, in whichever of the two it was set."""
    away = switch(arming_s=30)
    away.set(True, at("02:59:50", 25, 10, fold=0))
    assert not away.armed(at("02:00:10", 25, 10, fold=1))
    assert away.armed(at("02:00:20", 25, 10, fold=1))


def test_a_span_in_the_hour_that_is_left_out() -> None:
    """It neither fails nor switches anything on."""
    away = switch(schedule=[{"from": "02:30", "to": "03:15"}])
    assert not away.is_on(at("03:05", 29, 3))
    assert away.is_on(at("03:05", 30, 3))


def test_it_survives_a_restart() -> None:
    """What was set, a delay that was running, and the edges that passed meanwhile."""
    settings = {"schedule": OFFICE, "arming_s": 30}
    before, after = switch(**settings), switch(**settings)
    before.set(True, at("20:00:00"))
    assert after.restore(before.to_state()) == ""
    assert after.arming_until(at("20:00:10")) == at("20:00:30")
    assert after.armed(at("20:00:30"))
    assert not after.is_on(at("20:00", 6))
    assert switch().to_state() == ""
    assert switch().restore("") == ""


def test_a_clock_that_was_set_back_leaves_it_armed() -> None:
    """A box without a clock starts in the past; what was set in its future does not arm for years."""
    away = switch(arming_s=30)
    away.set(True, at("12:00", 5, 6))
    assert away.armed(at("12:00", 5, 1))


@pytest.mark.parametrize(
    "text", ["{", "[]", "null", '{"on": 1, "at": "2026-01-05T12:00:00Z"}', '{"on": true}', '{"on": true, "at": 3}',
             '{"on": true, "at": "soon"}', '{"on": true, "at": "2026-01-05T12:00:00"}']
)  # fmt: skip
def test_a_damaged_state_is_off_and_said(text: str) -> None:
    """In one line that says what to do."""
    away = switch(arming_s=0)
    away.set(True, at("12:00"))
    problem = away.restore(text)
    assert "away mode is damaged" in problem
    assert "\n" not in problem
    assert not away.is_on(at("12:00"))


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    """Whatever was kept, it can be switched afterwards."""
    away = switch(arming_s=0)
    away.restore(text)
    away.set(True, at("12:00"))
    assert away.is_on(at("12:00"))


def test_spans_are_worked_out_once_a_day() -> None:
    """It is looked at several times a second, and the zone's rules are slow; another zone is another day's work."""
    away = switch(schedule=OFFICE, quiet_hours=NIGHT)
    _joined.cache_clear()
    for clock in ("00:00", "07:59:59", "12:00", "23:59:59"):
        away.armed(at(clock))
    assert _joined.cache_info().misses == 2
    assert away.is_on(at("08:00", 6))
    assert not away.is_on(at("08:00", 6).astimezone(dt.timezone.utc))
    assert _joined.cache_info().misses == 4


def test_status_is_json_with_times_in_utc() -> None:
    """A node without the mode has a status too."""
    away = switch(arming_s=30, quiet_hours=NIGHT)
    away.set(True, at("23:00:00"))
    assert status(away, at("23:00:10")) == {
        "enabled": True, "state": "ON", "armed": False, "arming_until": "2026-01-05T22:00:30.000Z", "quiet": True,
    }  # fmt: skip
    assert status(away, at("12:00", 6)) == {
        "enabled": True, "state": "ON", "armed": True, "arming_until": None, "quiet": False,
    }  # fmt: skip
    assert status(None, at("12:00")) == {
        "enabled": False, "state": "OFF", "armed": False, "arming_until": None, "quiet": False,
    }  # fmt: skip


@pytest.fixture(params=["Europe/Berlin", "CET-1CEST,M3.5.0,M10.5.0/3"])
def _in_berlin(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_in_berlin")
def test_the_machines_zone_knows_summer_time_and_the_hour_that_comes_twice() -> None:
    """It agrees with the zone's own rules all year, in either direction."""
    hour = dt.timedelta(hours=1)
    utc = dt.datetime(2026, 1, 1, 0, 30, tzinfo=dt.timezone.utc)
    for _ in range(365 * 24):
        here, there = utc.astimezone(LOCAL), utc.astimezone(BERLIN)
        assert here.replace(tzinfo=None) == there.replace(tzinfo=None)
        assert (here.utcoffset(), here.tzname()) == (there.utcoffset(), there.tzname())
        assert here.astimezone(dt.timezone.utc) == utc
        utc += hour
    assert not switch(schedule=NIGHT).is_on(dt.datetime(2026, 10, 25, 6, tzinfo=LOCAL))
