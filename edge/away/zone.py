"""The time zone of this machine, with its summer time at any date."""

from __future__ import annotations

import datetime as dt


class _Local(dt.tzinfo):
    """The local time zone, as the C library knows it from TZ and /etc/localtime.

    A fixed offset would be wrong for half the year.
    """

    def utcoffset(self, when: dt.datetime | None) -> dt.timedelta | None:
        """Return the offset at a local time; `fold` selects one of two equal hours."""
        return None if when is None else when.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, when: dt.datetime | None) -> dt.timedelta | None:  # noqa: ARG002 - the base class wants it
        """Return None, because nothing needs the share of summer time."""
        return None

    def tzname(self, when: dt.datetime | None) -> str | None:
        """Return the name of the zone at a local time."""
        return None if when is None else when.replace(tzinfo=None).astimezone().tzname()

    def fromutc(self, when: dt.datetime) -> dt.datetime:
        """Return the local time of a time in UTC."""
        fixed = when.replace(tzinfo=dt.timezone.utc).astimezone()
        local = fixed.replace(tzinfo=self)
        return local if local.utcoffset() == fixed.utcoffset() else local.replace(fold=1)


LOCAL = _Local()
"""The time zone for `edge.away.switch`, as in ``datetime.now(LOCAL)``."""
