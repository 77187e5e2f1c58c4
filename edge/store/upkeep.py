"""The upkeep of history and clips: what is too old or too much goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.store import history

if TYPE_CHECKING:
    from edge.store.clips import Clips
    from edge.store.database import Database

_DAY_S = 86_400.0
_STEP = 500  # events removed in one transaction: others wait for it no longer than a moment
_STEPS = 40  # such transactions in one upkeep
_STEPS_BY_AGE = 4  # fewer, as the clock may turn out to be wrong
_SHRINK_PAGES = 1024  # given back in one upkeep, 4 MiB


class Upkeep:
    """Removes events and clips in small steps."""

    def __init__(self, database: Database, clips: Clips, *, retention_days: float, max_events: int) -> None:
        """Take what is kept, for how long, and how many events of it."""
        self._db, self._clips = database, clips
        self._retention_s, self._max_events = retention_days * _DAY_S, max_events

    def maintain(self, now: float, *, by_age: bool) -> None:
        """Do one upkeep, at `now` in Unix seconds; see `Store.maintain`."""
        young_s = (now - self._retention_s, now) if by_age else None
        try:
            self._prune_clips(young_s)  # first: on a full disk this makes the room that removing events needs
        finally:
            self._forget(young_s)

    def _prune_clips(self, young_s: tuple[float, float] | None) -> None:
        self._clips.prune(self._sequences)
        if young_s is not None and (old := self._clips.too_old(young_s[0])):
            # A clip goes with its event; only one without an event goes by its own age.
            events = self._sequences(old)
            self._clips.remove(event_id for event_id in old if event_id not in events)

    def _sequences(self, event_ids: list[str]) -> dict[str, int]:
        with self._db.reading() as connection:
            return history.known(connection, event_ids)

    def _forget(self, young_s: tuple[float, float] | None) -> None:
        with self._db.reading() as connection:
            too_many = history.newest_of_too_many(connection, self._max_events)
            too_old = 0 if young_s is None else history.newest_too_old(connection, young_s[0])
        for bound, steps, spared_s in ((too_many, _STEPS, None), (too_old, _STEPS_BY_AGE, young_s)):
            for _ in range(steps):
                if not bound or self._remove_some(bound, spared_s) < _STEP:
                    break
        self._db.shrink(_SHRINK_PAGES)

    def _remove_some(self, bound: int, spared_s: tuple[float, float] | None) -> int:
        """Remove a step of events, oldest first, up to the sequence `bound`; return how many."""
        with self._db.transaction(durable=False) as connection:
            event_ids = history.remove_up_to(connection, bound, _STEP, spared_s=spared_s)
        self._clips.remove(event_ids)
        return len(event_ids)
