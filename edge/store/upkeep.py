"""Retention: removal of old or excess events and clips."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.store import history

if TYPE_CHECKING:
    from edge.store.clips import Clips
    from edge.store.database import Database

_DAY_S = 86_400.0
_STEP = 500  # events removed in one transaction, which must be short for the other writers
_STEPS = 40  # transactions in one upkeep
_STEPS_BY_AGE = 4  # fewer, since the clock may be wrong
_SHRINK_PAGES = 1024  # returned to the disk in one upkeep, 4 MiB


class Upkeep:
    """Retention limits of events and clips, applied in small steps."""

    def __init__(self, database: Database, clips: Clips, *, retention_days: float, max_events: int) -> None:
        """Take the storage and its limits of age and number."""
        self._db, self._clips = database, clips
        self._retention_s, self._max_events = retention_days * _DAY_S, max_events

    def maintain(self, now: float, *, by_age: bool) -> None:
        """Apply the limits once, at `now` in Unix seconds; see `Store.maintain`."""
        young_s = (now - self._retention_s, now) if by_age else None
        try:
            self._prune_clips(young_s)  # first: on a full disk this frees the room that removing events needs
        finally:
            self._prune_events(young_s)

    def _prune_clips(self, young_s: tuple[float, float] | None) -> None:
        self._clips.prune(self._find_sequences)
        if young_s is not None and (old := self._clips.list_expired(young_s[0])):
            # A clip is removed with its event; only one without an event by its own age.
            events = self._find_sequences(old)
            self._clips.remove(event_id for event_id in old if event_id not in events)

    def _find_sequences(self, event_ids: list[str]) -> dict[str, int]:
        with self._db.reader() as connection:
            return history.find_sequences(connection, event_ids)

    def _prune_events(self, young_s: tuple[float, float] | None) -> None:
        with self._db.reader() as connection:
            too_many = history.find_newest_excess(connection, self._max_events)
            list_expired = 0 if young_s is None else history.find_newest_expired(connection, young_s[0])
        for bound, steps, spared_s in ((too_many, _STEPS, None), (list_expired, _STEPS_BY_AGE, young_s)):
            for _ in range(steps):
                if not bound or self._remove_some(bound, spared_s) < _STEP:
                    break
        self._db.shrink(_SHRINK_PAGES)

    def _remove_some(self, bound: int, spared_s: tuple[float, float] | None) -> int:
        """Remove the oldest events up to the sequence `bound`, one step; return their number."""
        with self._db.transaction(durable=False) as connection:
            event_ids = history.remove_oldest(connection, bound, _STEP, spared_s=spared_s)
        self._clips.remove(event_ids)
        return len(event_ids)
