"""The time zone of this machine, with its summer time at any date."""

from __future__ import annotations

import datetime as dt


class _Local(dt.tzinfo):
    """Asks the C library, which knows TZ and /etc/localtime of every form; a fixed offset is wrong half the year."""

    def utcoffset(self, when: dt.datetime | None) -> dt.timedelta | None:
        """Return the offset at a local time; `fold` tells the two of an hour that comes twice."""
        return None if when is None else when.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, when: dt.datetime | None) -> dt.timedelta | None:  # noqa: ARG002 - the base class wants it
        """Return nothing: how much of the offset is summer time does not matter."""
        return None

    def tzname(self, when: dt.datetime | None) -> str | None:
        """Return the name at a local time."""
        return None if when is None else when.replace(tzinfo=None).astimezone().tzname()

    def fromutc(self, when: dt.datetime) -> dt.datetime:
        """Return the local time of a time in UTC."""
        fixed = when.replace(tzinfo=dt.timezone.utc).astimezone()
        local = fixed.replace(tzinfo=self)
        return local if local.utcoffset() == fixed.utcoffset() else local.replace(fold=1)


LOCAL = _Local()
"""Give ``datetime.now(LOCAL)`` to `edge.away.switch`."""
