"""Whether the away mode is on, and whether it listens. Pure: now is an argument.

What is kept is the last time that a person switched it. The rest follows from that, the schedule and the time: so
an edge of the schedule counts as well when the box was off while it passed.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge.jsontext import dumps
from edge.timestamps import parse_rfc3339, rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edge.settings_reactions import Away, Span

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEK = dt.timedelta(days=7)


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

    def set(self, on: bool, now: dt.datetime) -> bool:  # noqa: FBT001 - the state itself
        """Switch it; return whether that changed anything."""
        if on == self.is_on(now):
            return False
        self._set = (on, now.astimezone(dt.timezone.utc))
        return True

    def is_on(self, now: dt.datetime) -> bool:
        """Return whether it is on, be it armed or not."""
        return self._state(now)[0]

    def arming_until(self, now: dt.datetime) -> dt.datetime | None:
        """Return when it begins to listen, in UTC; None when it does already or is off."""
        on, since = self._state(now)
        if not on or since is None:
            return None
        until = since + dt.timedelta(seconds=self._settings.arming_s)
        # A clock that was set back does not make the delay longer.
        return until if since <= now < until else None

    def is_quiet(self, now: dt.datetime) -> bool:
        """Return whether these are quiet hours."""
        return _inside(_stretches(self._settings.quiet_hours, now), now.astimezone(dt.timezone.utc))

    def armed(self, now: dt.datetime) -> bool:
        """Return whether a sound is to be reported."""
        return self.is_on(now) and self.arming_until(now) is None and not self.is_quiet(now)

    def to_state(self) -> str:
        """Return what `restore` needs after a restart."""
        return "" if self._set is None else dumps({"on": self._set[0], "at": rfc3339(self._set[1])})

    def restore(self, text: str) -> str:
        """Take up what `to_state` gave; return what is wrong with it, in a line, or nothing.

        What is damaged counts as never switched: off, unless the schedule says on.
        """
        self._set = None
        if not text:
            return ""
        try:
            state = json.loads(text)
            on, at = state["on"], parse_rfc3339(state["at"])
            known = isinstance(on, bool) and at.tzinfo is not None
        except (ValueError, TypeError, KeyError, AttributeError):
            known = False
        if not known:
            return f"the kept state of the away mode is damaged ({text[:60]!r}); set it again"
        self._set = (on, at)
        return ""

    def _state(self, now: dt.datetime) -> tuple[bool, dt.datetime | None]:
        """Return whether it is on, and since when; None for ever."""
        scheduled, edge = _scheduled(self._settings.schedule, now)
        if self._set is not None and (edge is None or self._set[1] >= edge):
            return self._set
        return scheduled, edge


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
                begin = dt.datetime.combine(day, span.begin_time, zone).astimezone(dt.timezone.utc)
                end = dt.datetime.combine(day + over, span.end_time, zone).astimezone(dt.timezone.utc)
                if begin < end:  # a span may fall into the hour that the clocks leave out
                    yield _Stretch(begin, end)
