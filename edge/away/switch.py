"""State of the away mode: on or off, and armed or not.

Pure: the time is an argument. The only state is the last time that a person switched the mode. All else follows from
that, the schedule and the time, so that an edge of the schedule counts although the device was off at that time.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge.clock import format_rfc3339, parse_rfc3339
from edge.jsontext import dumps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edge.settings.away import Away, Span

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEK = dt.timedelta(days=7)
_RESOLUTION = dt.timedelta(milliseconds=500)  # a zone changes its offset at a full second


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A period in UTC that spans cover, from `begin` up to, and without, `end`."""

    begin: dt.datetime
    end: dt.datetime


class AwaySwitch:
    """The away mode of a node.

    A schedule switches it on and off at its edges; what a person sets holds until the next edge. Every `now` has the
    time zone of the spans.
    """

    def __init__(self, settings: Away) -> None:
        """Start as scheduled, not yet switched by a person."""
        self._settings = settings
        self._set: tuple[bool, dt.datetime] | None = None
        self._ours = False  # whether it was set in this run, by the clock of this run
        self._seen: dt.datetime | None = None  # when the set time was first seen to be in the future

    def set(self, on: bool, now: dt.datetime) -> bool:  # noqa: FBT001 - the state itself
        """Switch it on or off; return whether that changed the state."""
        if on == self.is_on(now):
            return False
        self._set, self._ours, self._seen = (on, now.astimezone(dt.timezone.utc)), True, None
        return True

    def shift_clock(self, step_s: float) -> None:
        """Adjust to a clock that was set by `step_s`.

        A running delay goes on, and only the edges of the schedule that really passed count.
        """
        if self._set is not None and self._ours:
            with contextlib.suppress(OverflowError):
                self._set = (self._set[0], self._set[1] + dt.timedelta(seconds=step_s))

    def is_on(self, now: dt.datetime) -> bool:
        """Return whether it is on, armed or not."""
        return self._state(now)[0]

    def find_arming_end(self, now: dt.datetime) -> dt.datetime | None:
        """Return the end of the arming delay, in UTC; None if over or off."""
        on, since = self._state(now)
        if not on or since is None:
            return None
        until = since + dt.timedelta(seconds=self._settings.arming_s)
        return until if now < until else None

    def is_quiet(self, now: dt.datetime) -> bool:
        """Return whether `now` is in the quiet hours."""
        return _contain(_find_stretches(self._settings.quiet_hours, now), now.astimezone(dt.timezone.utc))

    def is_armed(self, now: dt.datetime) -> bool:
        """Return whether a sound is reported at `now`."""
        return self.is_on(now) and self.find_arming_end(now) is None and not self.is_quiet(now)

    def to_state(self) -> str:
        """Return the state as JSON for `restore`; empty if never switched."""
        if self._set is None:
            return ""
        state = {"on": self._set[0], "at": format_rfc3339(self._set[1])}
        return dumps(state if self._seen is None else {**state, "seen": format_rfc3339(self._seen)})

    def restore(self, text: str) -> str:
        """Restore the state from `to_state`; return what is wrong with it, or an empty text.

        A damaged state counts as never switched: off, unless scheduled on.
        """
        self._set, self._ours, self._seen = None, False, None
        if not text:
            return ""
        try:
            state = json.loads(text)
            on, at = state["on"], _parse_utc(state["at"])
            seen = _parse_utc(state["seen"]) if "seen" in state else None
            known = isinstance(on, bool)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            known = False
        if not known:
            return f"the kept state of the away mode is damaged ({text[:60]!r}); set it again"
        self._set, self._seen = (on, at), seen
        return ""

    def _state(self, now: dt.datetime) -> tuple[bool, dt.datetime | None]:
        """Return whether it is on, and since when (None if always)."""
        scheduled, edge = _read_schedule(self._settings.schedule, now)
        if self._set is not None:
            at = self._find_set_time(self._set[1], now.astimezone(dt.timezone.utc))
            if edge is None or at >= edge:
                return self._set[0], at
        return scheduled, edge

    def _find_set_time(self, at: dt.datetime, utc: dt.datetime) -> dt.datetime:
        """Return the time from which a setting counts.

        A setting from the future means that the clock was ahead then or is behind now. It counts from the moment at
        which that is found, until the clock is corrected.
        """
        if at <= utc:
            self._seen = None
            return at
        if self._seen is None or self._seen > utc:
            self._seen = utc
        return self._seen


def describe_status(switch: AwaySwitch | None, now: dt.datetime) -> dict[str, Any]:
    """Return the away mode as JSON values; None stands for a node without one."""
    until = switch.find_arming_end(now) if switch else None
    return {
        "enabled": switch is not None,
        "state": "ON" if switch and switch.is_on(now) else "OFF",
        "armed": switch is not None and switch.is_armed(now),
        "arming_until": None if until is None else format_rfc3339(until),
        "quiet": switch is not None and switch.is_quiet(now),
    }


def _read_schedule(spans: Sequence[Span], now: dt.datetime) -> tuple[bool, dt.datetime | None]:
    """Return whether `now` is in the spans, and the last edge, if any."""
    stretches, utc = _find_stretches(spans, now), now.astimezone(dt.timezone.utc)
    edges = [edge for stretch in stretches for edge in (stretch.begin, stretch.end) if edge <= utc]
    endless = any(stretch.end - stretch.begin > _WEEK for stretch in stretches)
    return _contain(stretches, utc), None if endless else max(edges, default=None)


def _contain(stretches: Sequence[_Stretch], utc: dt.datetime) -> bool:
    # In UTC, because for another zone Python computes the offset at each comparison.
    return any(stretch.begin <= utc < stretch.end for stretch in stretches)


def _find_stretches(spans: Sequence[Span], now: dt.datetime) -> tuple[_Stretch, ...]:
    """Return the periods that spans cover, in more than a week around `now`."""
    return _join_spans(tuple(spans), now.date(), now.tzinfo, now.utcoffset())


@functools.lru_cache(maxsize=8)
def _join_spans(
    spans: tuple[Span, ...],
    today: dt.date,
    zone: dt.tzinfo | None,
    offset: dt.timedelta | None,  # noqa: ARG001 - part of the cache key: the machine's zone may change
) -> tuple[_Stretch, ...]:
    """Return the covered periods around a day; those that overlap or touch are joined.

    Cached for the day, because the switch is read several times a second.
    """
    joined: list[_Stretch] = []
    for stretch in sorted(_list_occurrences(spans, today, zone), key=lambda stretch: stretch.begin):
        if joined and stretch.begin <= joined[-1].end:
            joined[-1] = _Stretch(joined[-1].begin, max(joined[-1].end, stretch.end))
        else:
            joined.append(stretch)
    return tuple(joined)


def _list_occurrences(spans: Sequence[Span], today: dt.date, zone: dt.tzinfo | None) -> Iterator[_Stretch]:
    """Yield every occurrence of the spans that begins from nine days ago to tomorrow."""
    for day in (today + dt.timedelta(days=ahead) for ahead in range(-9, 2)):
        for span in spans:
            if _DAYS[day.weekday()] in span.days:
                over = dt.timedelta(days=int(span.end_time <= span.begin_time))
                begin = _find_instant(dt.datetime.combine(day, span.begin_time, zone))
                end = _find_instant(dt.datetime.combine(day + over, span.end_time, zone))
                if begin < end:  # a span may lie within the hour that the clocks skip
                    yield _Stretch(begin, end)


def _find_instant(wall: dt.datetime) -> dt.datetime:
    """Return the UTC time at which local clocks first show `wall`, or skip it."""
    after = wall.astimezone(dt.timezone.utc)
    if after.astimezone(wall.tzinfo).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return after
    before = wall.replace(fold=1).astimezone(dt.timezone.utc)
    while after - before > _RESOLUTION:
        middle = before + (after - before) / 2
        passed = middle.astimezone(wall.tzinfo).replace(tzinfo=None) >= wall.replace(tzinfo=None)
        before, after = (before, middle) if passed else (middle, after)
    return (after + _RESOLUTION / 2).replace(microsecond=0)


def _parse_utc(text: str) -> dt.datetime:
    """Return a stored time in UTC; raises `ValueError` for one without a time zone."""
    moment = parse_rfc3339(text)
    if moment.tzinfo is None:
        msg = "it has no time zone"
        raise ValueError(msg)
    return moment.astimezone(dt.timezone.utc)
