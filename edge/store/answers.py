"""Answers of the history: what was found damaged on the way is put right, and the question asked again."""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING, TypeVar

from edge.errors import StorageError
from edge.store import history
from edge.store.faults import Damaged, IoFailure

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.store.database import Database
    from edge.store.journal import Journal
    from edge.store.reads import Sick

log = logging.getLogger("tocsin.store")

Answer = TypeVar("Answer")

_ROUNDS = 5  # that a question is asked


class Answers:
    """Asks the questions of `edge.store.reads`."""

    def __init__(self, database: Database, journal: Journal) -> None:
        """Take the database, and who mends it."""
        self._db, self._journal = database, journal
        self.removed = 0
        """Messages that could not be read and are removed, since the start."""

    def ask(self, question: Callable[[sqlite3.Connection], tuple[Answer, Sick]]) -> Answer:
        """Return the answer to a question; raises `StorageError` where the database cannot be read."""
        if not self._db.is_open and (fault := self._journal.fault):
            raise StorageError(fault.what, where=fault.where, remedy=fault.remedy)
        for rounds_left in reversed(range(_ROUNDS)):
            try:
                with self._db.reading() as connection:
                    answer, sick = question(connection)
            except (Damaged, IoFailure):
                self._journal.catch_up()
                if not rounds_left:
                    raise
                continue
            if not sick or not self._put_right(sick):
                break
        return answer

    def _put_right(self, sick: Sick) -> bool:
        try:
            with self._db.transaction() as connection:
                gone = history.mend(connection, sick)
        except (StorageError, sqlite3.IntegrityError) as exc:
            log.debug("damaged messages stay for now: %s", exc)
            return False
        self.removed += gone
        places = [*sick.messages, *sick.sounds][:5]
        text = "the history was damaged at sequences such as %s and is mended; %d messages of it are lost"
        log.error(text, places, gone)
        return True
