"""Whether the away mode is on, and whether it listens. Pure: now is an argument.

What is kept is the last time that a person switched it. The rest follows from that, the schedule and the time: so
an edge of the schedule counts as well when the box was off while it passed.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge.clock import parse_rfc3339, rfc3339
from edge.jsontext import dumps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edge.settings.away import Away, Span

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEK = dt.timedelta(days=7)
_RESOLUTION = dt.timedelta(milliseconds=500)  # clocks are put forward at a full second


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Consecutive time, in UTC, that spans cover: from `begin` to without `end`."""

    begin: dt.datetime
    end: dt.datetime


class AwaySwitch:
    """The node's away mode. Every `now` has a time zone, which is the one that the spans are in.

    A schedule switches on and off at its edges; what a person sets holds until the next edge.
    """

    def __init__(self, settings: Away) -> None:
        """Begin as the schedule says: nobody has switched it yet."""
        self._settings = settings
        self._set: tuple[bool, dt.datetime] | None = None
        self._ours = False  # it was set in this run, by the clock of this run
        self._seen: dt.datetime | None = None  # when the set time was first found to be in the future

    def set(self, on: bool, now: dt.datetime) -> bool:  # noqa: FBT001 - the state itself
        """Switch it; return whether that changed anything."""
        if on == self.is_on(now):
            return False
        self._set, self._ours, self._seen = (on, now.astimezone(dt.timezone.utc)), True, None
        return True

    def clock_was_set(self, step_s: float) -> None:
        """Follow the clock, which was set by `step_s`: a delay goes on, and only edges that were passed count."""
        if self._set is not None and self._ours:
            with contextlib.suppress(OverflowError):
                self._set = (self._set[0], self._set[1] + dt.timedelta(seconds=step_s))

    def is_on(self, now: dt.datetime) -> bool:
        """Return whether it is on, be it armed or not."""
        return self._state(now)[0]

    def arming_until(self, now: dt.datetime) -> dt.datetime | None:
        """Return when it begins to listen, in UTC; None when it does already or is off."""
        on, since = self._state(now)
        if not on or since is None:
            return None
        until = since + dt.timedelta(seconds=self._settings.arming_s)
        return until if now < until else None

    def is_quiet(self, now: dt.datetime) -> bool:
        """Return whether these are quiet hours."""
        return _inside(_stretches(self._settings.quiet_hours, now), now.astimezone(dt.timezone.utc))

    def armed(self, now: dt.datetime) -> bool:
        """Return whether a sound is to be reported."""
        return self.is_on(now) and self.arming_until(now) is None and not self.is_quiet(now)

    def to_state(self) -> str:
        """Return what `restore` needs after a restart."""
        if self._set is None:
            return ""
        state = {"on": self._set[0], "at": rfc3339(self._set[1])}
        return dumps(state if self._seen is None else {**state, "seen": rfc3339(self._seen)})

    def restore(self, text: str) -> str:
        """Take up what `to_state` gave; return what is wrong with it, in a line, or nothing.

        What is damaged counts as never switched: off, unless the schedule says on.
        """
        self._set, self._ours, self._seen = None, False, None
        if not text:
            return ""
        try:
            state = json.loads(text)
            on, at = state["on"], _utc(state["at"])
            seen = _utc(state["seen"]) if "seen" in state else None
            known = isinstance(on, bool)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            known = False
        if not known:
            return f"the kept state of the away mode is damaged ({text[:60]!r}); set it again"
        self._set, self._seen = (on, at), seen
        return ""

    def _state(self, now: dt.datetime) -> tuple[bool, dt.datetime | None]:
        """Return whether it is on, and since when; None for ever."""
        scheduled, edge = _scheduled(self._settings.schedule, now)
        if self._set is not None:
            at = self._set_at(self._set[1], now.astimezone(dt.timezone.utc))
            if edge is None or at >= edge:
                return self._set[0], at
        return scheduled, edge

    def _set_at(self, at: dt.datetime, utc: dt.datetime) -> dt.datetime:
        """Return since when it counts as set.

        What was set in the future was set by a clock that was ahead, or this one is behind: it counts from when that is
        found out, until the clock is set right.
        """
        if at <= utc:
            self._seen = None
            return at
        if self._seen is None or self._seen > utc:
            self._seen = utc
        return self._seen


def status(switch: AwaySwitch | None, now: dt.datetime) -> dict[str, Any]:
    """Return the away mode as JSON values; None stands for a node that has none."""
    until = switch.arming_until(now) if switch else None
    return {
        "enabled": switch is not None,
        "state": "ON" if switch and switch.is_on(now) else "OFF",
        "armed": switch is not None and switch.armed(now),
        "arming_until": None if until is None else rfc3339(until),
        "quiet": switch is not None and switch.is_quiet(now),
    }


def _scheduled(spans: Sequence[Span], now: dt.datetime) -> tuple[bool, dt.datetime | None]:
    """Return whether `now` is in the spans, and the last edge; None where there is none."""
    stretches, utc = _stretches(spans, now), now.astimezone(dt.timezone.utc)
    edges = [edge for stretch in stretches for edge in (stretch.begin, stretch.end) if edge <= utc]
    endless = any(stretch.end - stretch.begin > _WEEK for stretch in stretches)
    return _inside(stretches, utc), None if endless else max(edges, default=None)


def _inside(stretches: Sequence[_Stretch], utc: dt.datetime) -> bool:
    # Compared in UTC: for a time in another zone, Python would ask for its offset at each comparison.
    return any(stretch.begin <= utc < stretch.end for stretch in stretches)


def _stretches(spans: Sequence[Span], now: dt.datetime) -> tuple[_Stretch, ...]:
    """Return the time around `now`, more than a week of it, that the spans cover; what overlaps or touches is one."""
    return _joined(tuple(spans), now.date(), now.tzinfo, now.utcoffset())


@functools.lru_cache(maxsize=8)
def _joined(
    spans: tuple[Span, ...],
    today: dt.date,
    zone: dt.tzinfo | None,
    offset: dt.timedelta | None,  # noqa: ARG001 - who sets the machine to another zone changes it
) -> tuple[_Stretch, ...]:
    """Return the stretches around a day: worked out once a day, for the switch is looked at several times a second."""
    joined: list[_Stretch] = []
    for stretch in sorted(_occurrences(spans, today, zone), key=lambda stretch: stretch.begin):
        if joined and stretch.begin <= joined[-1].end:
            joined[-1] = _Stretch(joined[-1].begin, max(joined[-1].end, stretch.end))
        else:
            joined.append(stretch)
    return tuple(joined)


def _occurrences(spans: Sequence[Span], today: dt.date, zone: dt.tzinfo | None) -> Iterator[_Stretch]:
    """Yield every occurrence of the spans that begins from nine days ago to tomorrow."""
    for day in (today + dt.timedelta(days=ahead) for ahead in range(-9, 2)):
        for span in spans:
            if _DAYS[day.weekday()] in span.days:
                over = dt.timedelta(days=int(span.end_time <= span.begin_time))
                begin = _reached(dt.datetime.combine(day, span.begin_time, zone))
                end = _reached(dt.datetime.combine(day + over, span.end_time, zone))
                if begin < end:  # a span may lie within the hour that the clocks leave out
                    yield _Stretch(begin, end)


def _reached(wall: dt.datetime) -> dt.datetime:
    """Return when the clocks on the wall first show a local time or, where they leave it out, pass it; in UTC."""
    after = wall.astimezone(dt.timezone.utc)
    if after.astimezone(wall.tzinfo).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return after
    before = wall.replace(fold=1).astimezone(dt.timezone.utc)
    while after - before > _RESOLUTION:
        middle = before + (after - before) / 2
        passed = middle.astimezone(wall.tzinfo).replace(tzinfo=None) >= wall.replace(tzinfo=None)
        before, after = (before, middle) if passed else (middle, after)
    return (after + _RESOLUTION / 2).replace(microsecond=0)


def _utc(text: str) -> dt.datetime:
    """Return a moment that was kept; raises `ValueError` for one without a time zone."""
    moment = parse_rfc3339(text)
    if moment.tzinfo is None:
        msg = "it has no time zone"
        raise ValueError(msg)
    return moment.astimezone(dt.timezone.utc)
