"""Switch of the away mode: delay, schedule, quiet hours, restarts and changes of the clock."""

from __future__ import annotations

import datetime as dt
import functools
import time
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edge.away.switch import AwaySwitch, _join_spans, describe_status
from edge.away.zone import LOCAL
from edge.settings.away import Away

if TYPE_CHECKING:
    from collections.abc import Iterator

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = [{"from": "08:00", "to": "17:30", "days": ["mon", "tue", "wed", "thu", "fri"]}]
NIGHT = [{"from": "22:00", "to": "06:00"}]


def at(clock: str, day: int = 5, month: int = 1, *, fold: int = 0) -> dt.datetime:
    """Return a time in 2026, by default on Monday, 5 January."""
    time_of_day = dt.time.fromisoformat(clock).replace(fold=fold)
    return dt.datetime.combine(dt.date(2026, month, day), time_of_day, BERLIN)


def make_switch(**settings: Any) -> AwaySwitch:
    """Return a switch with these settings."""
    return AwaySwitch(Away.model_validate(settings))


def test_it_is_off_until_a_person_switches_it() -> None:
    """Without a schedule it stays as it was set, for any time."""
    away = make_switch(arming_s=0)
    assert not away.is_on(at("12:00"))
    assert away.set(True, at("12:00"))
    assert away.is_on(at("12:00", 30, 11))
    assert away.set(False, at("12:00", 30, 11))
    assert not away.is_on(at("12:00", 1, 12))


def test_it_listens_after_the_delay() -> None:
    """It is on at once and armed later; switching it on again does not restart the delay."""
    away = make_switch(arming_s=30)
    away.set(True, at("12:00:00"))
    assert away.find_arming_end(at("12:00:29")) == at("12:00:30")
    assert not away.set(True, at("12:00:20"))
    assert not away.is_armed(at("12:00:29"))
    assert away.is_armed(at("12:00:30"))
    assert away.find_arming_end(at("12:00:30")) is None


@pytest.mark.parametrize(
    ("clock", "day", "on"),
    [("07:59", 5, False), ("08:00", 5, True), ("17:29", 5, True), ("17:30", 5, False), ("12:00", 10, False)],
)
def test_a_schedule_switches_at_its_edges(clock: str, day: int, on: bool) -> None:
    """It is on from its begin to its end, on its days only."""
    assert make_switch(schedule=OFFICE).is_on(at(clock, day)) is on


def test_the_delay_counts_from_the_edge() -> None:
    """A person who leaves at the scheduled time has the same delay."""
    away = make_switch(schedule=OFFICE, arming_s=60)
    assert away.find_arming_end(at("08:00:30")) == at("08:01:00")
    assert away.is_armed(at("08:01:00"))


def test_what_a_person_sets_holds_until_the_next_edge() -> None:
    """Switched off on Monday, it follows the schedule on Tuesday, and likewise if switched on."""
    away = make_switch(schedule=OFFICE, arming_s=0)
    away.set(False, at("09:00"))
    assert not away.is_on(at("17:00"))
    assert away.is_on(at("08:00", 6))
    away.set(True, at("20:00", 6))
    assert away.is_on(at("07:00", 7))
    assert not away.is_on(at("17:30", 7))


def test_a_span_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    """The night of Friday ends on Saturday."""
    away = make_switch(schedule=[{**NIGHT[0], "days": ["fri"]}])
    states = [away.is_on(at(clock, day)) for clock, day in (("21:59", 9), ("22:00", 9), ("05:59", 10), ("06:00", 10))]
    assert states == [False, True, True, False]
    assert not away.is_on(at("23:00", 10))


def test_spans_that_overlap_or_touch_are_one() -> None:
    """The end of a span within another is not an edge, so that a setting holds."""
    away = make_switch(schedule=[{"from": "08:00", "to": "12:00"}, {"from": "11:00", "to": "14:00"}, *NIGHT])
    away.set(False, at("10:00"))
    assert not away.is_on(at("13:59"))
    assert away.is_on(at("22:00"))


def test_a_schedule_without_an_edge_is_on_until_a_person_switches_it_off() -> None:
    """Two spans that fill the week have no edge that ends the setting."""
    away = make_switch(schedule=[{"from": "00:00", "to": "12:00"}, {"from": "12:00", "to": "00:00"}])
    assert away.is_armed(at("12:00"))
    away.set(False, at("12:00"))
    assert not away.is_on(at("12:00", 28, 6))


def test_quiet_hours_disarm_and_leave_it_on() -> None:
    """It is on, but not armed."""
    away = make_switch(quiet_hours=NIGHT, arming_s=0)
    away.set(True, at("12:00"))
    assert [away.is_armed(at(clock)) for clock in ("21:59", "22:00", "05:59", "06:00")] == [True, False, False, True]
    assert away.is_on(at("23:00"))


def test_edges_follow_summer_time() -> None:
    """On 29 March the night has 7 hours, on 25 October 9; the edges are in local time."""
    away = make_switch(schedule=NIGHT, arming_s=0)
    for day, month, hours in ((28, 3, 7), (24, 10, 9)):
        begin, end = at("22:00", day, month), at("06:00", day + 1, month)
        assert (end.astimezone(dt.timezone.utc) - begin.astimezone(dt.timezone.utc)) == dt.timedelta(hours=hours)
        before = dt.timedelta(seconds=1)
        for edge, on in ((begin, True), (end, False)):
            utc = edge.astimezone(dt.timezone.utc)
            assert away.is_on(utc.astimezone(BERLIN)) is on
            assert away.is_on((utc - before).astimezone(BERLIN)) is not on


def test_a_delay_in_the_repeated_hour_of_autumn() -> None:
    """The delay has its length in either of the two hours."""
    away = make_switch(arming_s=30)
    away.set(True, at("02:59:50", 25, 10, fold=0))
    assert not away.is_armed(at("02:00:10", 25, 10, fold=1))
    assert away.is_armed(at("02:00:20", 25, 10, fold=1))


@pytest.mark.parametrize(
    ("span", "minutes"),
    [(("02:30", "03:15"), 15), (("02:30", "05:00"), 120), (("01:30", "02:30"), 30), (("02:10", "02:50"), 0)],
)
def test_a_span_at_the_skipped_hour_of_spring(span: tuple[str, str], minutes: int) -> None:
    """An edge in that hour is at the moment at which the clocks skip it."""
    away = make_switch(schedule=[dict(zip(("from", "to"), span, strict=True))])
    midnight = at("00:00", 29, 3).astimezone(dt.timezone.utc)
    on = [away.is_on((midnight + dt.timedelta(minutes=m)).astimezone(BERLIN)) for m in range(600)]
    assert sum(on) == minutes
    if minutes:
        assert on.index(True) == (90 if span[0] == "01:30" else 120)


ZONES = ["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "Asia/Tehran",
         "America/Sao_Paulo", "UTC"]  # fmt: skip


def expect_on(begin: dt.time, end: dt.time, utc: dt.datetime, zone: ZoneInfo) -> bool:
    """Return whether local clocks have reached a span's begin, and not its end."""
    today = utc.astimezone(zone).date()
    return any(
        first_reach(dt.datetime.combine(day, begin), zone)
        <= utc
        < first_reach(dt.datetime.combine(day + dt.timedelta(days=int(end <= begin)), end), zone)
        for day in (today - dt.timedelta(days=back) for back in range(-1, 4))
    )


@functools.cache
def first_reach(wall: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    """Return the first quarter of an hour, in UTC, at which local clocks show at least `wall`."""
    utc = wall.replace(tzinfo=dt.timezone.utc) - dt.timedelta(hours=16)
    while utc.astimezone(zone).replace(tzinfo=None) < wall:
        utc += dt.timedelta(minutes=15)
    return utc


@given(
    zone=st.sampled_from(ZONES),
    year=st.integers(2000, 2035),
    day=st.integers(0, 364),
    near=st.booleans(),
    begin=st.integers(0, 95),
    end=st.integers(0, 95),
)
def test_a_span_follows_local_clocks(zone: str, year: int, day: int, near: bool, begin: int, end: int) -> None:
    """In every zone and year it begins and ends once, when clocks first reach or skip its times."""
    assume(begin != end)
    info = ZoneInfo(zone)
    utc = dt.datetime(year, 1, 1, tzinfo=dt.timezone.utc) + dt.timedelta(days=day)
    if near:  # go to the next change of the offset
        for _ in range(400):
            if utc.astimezone(info).utcoffset() != (utc + dt.timedelta(days=1)).astimezone(info).utcoffset():
                break
            utc += dt.timedelta(days=1)
    first, last = (dt.time(quarter // 4, quarter % 4 * 15) for quarter in (begin, end))
    away = make_switch(schedule=[{"from": f"{first:%H:%M}", "to": f"{last:%H:%M}"}])
    for quarter in range(0, 4 * 48, 1):
        moment = utc + dt.timedelta(minutes=15 * quarter)
        assert away.is_on(moment.astimezone(info)) is expect_on(first, last, moment, info), moment


def test_it_survives_a_restart() -> None:
    """It keeps the setting and a running delay, and applies the edges that passed."""
    settings = {"schedule": OFFICE, "arming_s": 30}
    before, after = make_switch(**settings), make_switch(**settings)
    before.set(True, at("20:00:00"))
    assert after.restore(before.to_state()) == ""
    assert after.find_arming_end(at("20:00:10")) == at("20:00:30")
    assert after.is_armed(at("20:00:30"))
    assert not after.is_on(at("20:00", 6))
    assert make_switch().to_state() == ""
    assert make_switch().restore("") == ""


def test_a_clock_that_is_behind_arms_after_the_delay() -> None:
    """A device without a clock battery starts in the past; a setting from its future still arms."""
    settings = {"arming_s": 30, "schedule": OFFICE}
    away, before = make_switch(**settings), make_switch(**settings)
    before.set(False, at("09:00", 7))
    assert away.restore(before.to_state()) == ""
    assert not away.is_on(at("09:30", 5))
    assert away.is_on(at("08:00", 6))
    assert not away.is_on(at("09:01", 7))  # the clock was corrected: the setting still holds
    assert away.is_on(at("08:00", 8))


@pytest.mark.parametrize("restart", [True, False])
def test_a_clock_that_was_ahead_does_not_block_the_schedule(restart: bool) -> None:
    """A setting from the future, and its delay, count from the moment at which that is found."""
    settings = {"arming_s": 30, "schedule": OFFICE}
    away = make_switch(**settings)
    away.set(True, at("20:00").replace(year=2030))
    if restart:
        state, away = away.to_state(), make_switch(**settings)
        assert away.restore(state) == ""
    assert away.find_arming_end(at("20:00:00")) == at("20:00:30")
    assert away.is_armed(at("20:00:31"))
    assert not away.is_on(at("17:30", 6))
    state, away = away.to_state(), make_switch(**settings)
    assert away.restore(state) == ""
    assert not away.is_on(at("20:00", 6))


@pytest.mark.parametrize("years", [4, -56])
def test_a_step_of_the_clock_shifts_a_setting_of_this_run(years: int) -> None:
    """The delay continues, and the next edge of the schedule counts."""
    away = make_switch(arming_s=30, schedule=OFFICE)
    step = dt.timedelta(days=365 * years)
    away.set(True, at("20:00:00") + step)
    away.shift_clock(-step.total_seconds())
    assert away.find_arming_end(at("20:00:10")) == at("20:00:30")
    assert away.is_armed(at("07:59", 6))
    assert not away.is_on(at("17:30", 6))


def test_a_step_of_the_clock_keeps_a_setting_of_another_run() -> None:
    """Its time does not depend on the clock of this run."""
    away, before = make_switch(arming_s=30), make_switch()
    before.set(True, at("12:00"))
    away.restore(before.to_state())
    away.shift_clock(1e12)
    assert away.to_state() == before.to_state()


@pytest.mark.parametrize(
    "text", ["{", "[]", "null", '{"on": 1, "at": "2026-01-05T12:00:00Z"}', '{"on": true}', '{"on": true, "at": 3}',
             '{"on": true, "at": "soon"}', '{"on": true, "at": "9999-12-31T23:59:59-14:00"}', "[" * 100_000,
             '{"on": true, "at": "2026-01-05T12:00:00Z", "seen": 7}', '{"on": true, "at": "2026-01-05T12:00:00"}']
)  # fmt: skip
def test_a_damaged_state_is_off_and_reported(text: str) -> None:
    """The report is one line with a remedy."""
    away = make_switch(arming_s=0)
    away.set(True, at("12:00"))
    problem = away.restore(text)
    assert "away mode is damaged" in problem
    assert "\n" not in problem
    assert not away.is_on(at("12:00"))


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    """After any stored text it can be switched."""
    away = make_switch(arming_s=0)
    away.restore(text)
    away.set(True, at("12:00"))
    assert away.is_on(at("12:00"))


def test_spans_are_computed_once_a_day() -> None:
    """The switch is read several times a second, and a zone's rules are slow; each zone has its own result."""
    away = make_switch(schedule=OFFICE, quiet_hours=NIGHT)
    _join_spans.cache_clear()
    for clock in ("00:00", "07:59:59", "12:00", "23:59:59"):
        away.is_armed(at(clock))
    assert _join_spans.cache_info().misses == 2
    assert away.is_on(at("08:00", 6))
    assert not away.is_on(at("08:00", 6).astimezone(dt.timezone.utc))
    assert _join_spans.cache_info().misses == 4


def test_status_is_json_with_times_in_utc() -> None:
    """A node without the mode also has a status."""
    away = make_switch(arming_s=30, quiet_hours=NIGHT)
    away.set(True, at("23:00:00"))
    assert describe_status(away, at("23:00:10")) == {
        "enabled": True, "state": "ON", "armed": False, "arming_until": "2026-01-05T22:00:30.000Z", "quiet": True,
    }  # fmt: skip
    assert describe_status(away, at("12:00", 6)) == {
        "enabled": True, "state": "ON", "armed": True, "arming_until": None, "quiet": False,
    }  # fmt: skip
    assert describe_status(None, at("12:00")) == {
        "enabled": False, "state": "OFF", "armed": False, "arming_until": None, "quiet": False,
    }  # fmt: skip


@pytest.fixture(params=["Europe/Berlin", "CET-1CEST,M3.5.0,M10.5.0/3"])
def _berlin(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_berlin")
def test_the_local_zone_has_summer_time_and_its_repeated_hour() -> None:
    """It agrees with the rules of the zone all year, in both directions."""
    hour = dt.timedelta(hours=1)
    utc = dt.datetime(2026, 1, 1, 0, 30, tzinfo=dt.timezone.utc)
    for _ in range(365 * 24):
        here, there = utc.astimezone(LOCAL), utc.astimezone(BERLIN)
        assert here.replace(tzinfo=None) == there.replace(tzinfo=None)
        assert (here.utcoffset(), here.tzname()) == (there.utcoffset(), there.tzname())
        assert here.astimezone(dt.timezone.utc) == utc
        utc += hour
    assert not make_switch(schedule=NIGHT).is_on(dt.datetime(2026, 10, 25, 6, tzinfo=LOCAL))
