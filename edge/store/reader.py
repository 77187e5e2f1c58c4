"""Reader of the history that repairs damaged rows and repeats the query."""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING, TypeVar

from edge.errors import StorageError
from edge.store import history
from edge.store.faults import DatabaseDamage, IoFailure

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.store.database import Database
    from edge.store.journal import Journal
    from edge.store.reads import DamagedRows

log = logging.getLogger("tocsin.store")

Answer = TypeVar("Answer")

_ROUNDS = 5  # of one query, at most


class Reader:
    """A reader of the history; it runs the queries of `edge.store.reads`."""

    def __init__(self, database: Database, journal: Journal) -> None:
        """Take the database, and the journal, which repairs it."""
        self._db, self._journal = database, journal
        self.removed = 0
        """Messages removed since the start because they could not be read."""

    def read(self, query: Callable[[sqlite3.Connection], tuple[Answer, DamagedRows]]) -> Answer:
        """Return the result of a query; raises `StorageError` if the database cannot be read."""
        if not self._db.is_open and (fault := self._journal.fault):
            raise StorageError(fault.what, where=fault.where, remedy=fault.remedy)
        for rounds_left in reversed(range(_ROUNDS)):
            try:
                with self._db.reader() as connection:
                    answer, damaged = query(connection)
            except (DatabaseDamage, IoFailure):
                self._journal.catch_up()
                if not rounds_left:
                    raise
                continue
            if not damaged or not self._repair(damaged):
                break
        return answer

    def _repair(self, damaged: DamagedRows) -> bool:
        try:
            with self._db.transaction() as connection:
                removed = history.repair(connection, damaged)
        except (StorageError, sqlite3.IntegrityError) as exc:
            log.debug("damaged messages cannot be removed yet: %s", exc)
            return False
        self.removed += removed
        places = [*damaged.messages, *damaged.sounds][:5]
        text = "the history was damaged at sequences such as %s and is repaired; %d messages of it are lost"
        log.error(text, places, removed)
        return True
