"""Registry of the node's retained topics, so that those no longer used are cleared.

A broker keeps a retained message for ever, also of a removed source or a renamed node. A topic that was announced and
is no longer wanted is cleared by an empty message, and is forgotten when that is acknowledged.
"""

from __future__ import annotations

import json
import logging
import threading
from typing import TYPE_CHECKING

from edge.errors import StorageError
from edge.jsontext import dumps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edge.publish.mailbox import Mailbox
    from edge.store import Store

log = logging.getLogger("tocsin.mqtt")

_KEY = "retained"  # of the state in the store

Parts = dict[str, str]
"""Parts that a topic announces: their kinds by name; empty for a topic with a plain value."""


class RetainedTopics:
    """The registry of retained topics. Thread-safe.

    The sender saves its changes before it sends anything.
    """

    def __init__(self, store: Store, mail: Mailbox) -> None:
        """Take the store of the registry, and the mailbox that clears topics."""
        self._store, self._mail = store, mail
        self._lock = threading.Lock()
        self._kept: dict[str, Parts] | None = None  # as it is in the store; None before it is read
        self._wanted: dict[str, Parts] = {}
        self._gone: set[str] = set()
        self._changed = False

    def replace(self, wanted: Mapping[str, Mapping[str, str]], *, formerly: Iterable[str] = ()) -> dict[str, Parts]:
        """Keep only these topics and clear all others; return the former parts of each.

        A removed part stays in the registry: a client that was not connected must be informed later. `formerly` are
        topics that count as announced if there is no registry yet.
        """
        with self._lock:
            if self._kept is None:
                self._kept = self._load(formerly)
            self._wanted = {topic: {**self._kept.get(topic, {}), **parts} for topic, parts in wanted.items()}
            self._gone = set(self._kept) - set(self._wanted)
            self._changed = True
            gone = sorted(self._gone)
        for topic in gone:
            self._mail.put_state(topic, b"")
        return {
            topic: {name: kind for name, kind in self._wanted[topic].items() if name not in parts}
            for topic, parts in wanted.items()
        }

    def confirm_cleared(self, topic: str, *, refused: bool) -> None:
        """Note the answer to an empty message; after a refusal the next start repeats it."""
        self._mail.forget(topic)
        with self._lock:
            if refused or topic not in self._gone:
                return
            self._gone.discard(topic)
            self._changed = not self._gone  # one write for all of them
        self.save()

    def save(self) -> None:
        """Write the changes, if any."""
        if not self._changed:  # called at every turn
            return
        with self._lock:
            self._changed = False
            self._save({**self._wanted, **{topic: {} for topic in self._gone}})

    def _load(self, formerly: Iterable[str]) -> dict[str, Parts]:
        try:
            text = self._store.state_get(_KEY)
            kept = {topic: {} for topic in formerly} if text is None else json.loads(text)
            return {str(topic): {str(name): str(kind) for name, kind in parts.items()} for topic, parts in kept.items()}
        except StorageError as exc:
            log.warning("the list of retained topics cannot be read: %s", exc)
        except (ValueError, AttributeError, RecursionError):
            log.warning("the list of retained topics is damaged; a new one is begun")
        return {}

    def _save(self, kept: dict[str, Parts]) -> None:
        if kept == self._kept:
            return
        try:
            self._store.state_set(_KEY, dumps(kept, separators=(",", ":"), sort_keys=True))
            self._kept = kept
        except StorageError as exc:
            log.warning("the list of retained topics cannot be saved: %s", exc)
