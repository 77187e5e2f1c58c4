"""The topics on which a broker keeps something of this node: remembered, so that none outlives its owner.

A broker keeps a retained message for ever, also of a source that was removed and of a node that was renamed. Whatever
was announced once and is not wanted any more is cleared by an empty message, and is forgotten when that has arrived.
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

_KEY = "retained"  # in the store

Parts = dict[str, str]
"""What a topic announces: the kind of each part by its name; nothing for a topic that is a plain value."""


class RetainedTopics:
    """The registry of retained topics. Thread-safe; whoever sends has what changed written before anything is sent."""

    def __init__(self, store: Store, mail: Mailbox) -> None:
        """Take where it is kept, and who clears a topic."""
        self._store, self._mail = store, mail
        self._lock = threading.Lock()
        self._kept: dict[str, Parts] | None = None  # as it is in the store; None before the first look
        self._wanted: dict[str, Parts] = {}
        self._gone: set[str] = set()
        self._changed = False

    def replace(self, wanted: Mapping[str, Mapping[str, str]], *, formerly: Iterable[str] = ()) -> dict[str, Parts]:
        """Keep these topics alone, and have all others cleared; return the parts that each is rid of.

        A part that was announced once is remembered, for whoever was not listening then has to be told later.
        `formerly` are topics that count as announced where there is no registry yet.
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
        """Note the broker's answer to an empty message; what it refused is tried again at the next start."""
        self._mail.forget(topic)
        with self._lock:
            if refused or topic not in self._gone:
                return
            self._gone.discard(topic)
            self._changed = not self._gone  # one write for all of them
        self.save()

    def save(self) -> None:
        """Write what has changed."""
        if not self._changed:  # asked at every turn
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
            log.warning("what the broker keeps of this node is not known: %s", exc)
        except (ValueError, AttributeError, RecursionError):
            log.warning("the list of what the broker keeps of this node is damaged, and begun anew")
        return {}

    def _save(self, kept: dict[str, Parts]) -> None:
        if kept == self._kept:
            return
        try:
            self._store.state_set(_KEY, dumps(kept, separators=(",", ":"), sort_keys=True))
            self._kept = kept
        except StorageError as exc:
            log.warning("what the broker keeps of this node cannot be remembered: %s", exc)
