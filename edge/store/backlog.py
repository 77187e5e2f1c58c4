"""Bounded queue in memory of recorded messages that are not on the disk yet."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edge.jsontext import dumps

if TYPE_CHECKING:
    Json = dict[str, Any]

BACKLOG_MAX = 10_000
"""Most messages that wait for the disk; beyond it the oldest are dropped."""


@dataclass
class Entry:
    """A message that waits for the disk."""

    sequence: int
    message: Json
    topic: str | None
    """Topic to publish it on; None if it is not published, or the broker has it already."""
    body: bytes | None
    """Payload, if that is not the message itself."""
    queued_s: float
    """When it was queued, in Unix seconds."""
    text: str = field(init=False)
    """The message as JSON, as the history stores it."""

    def __post_init__(self) -> None:
        """Encode the message."""
        self.text = dumps(self.message, separators=(",", ":"), ensure_ascii=False)

    @property
    def payload(self) -> bytes:
        """The payload to publish."""
        return self.text.encode() if self.body is None else self.body

    def renumber(self, sequence: int) -> None:
        """Change the sequence; the id, by which readers know the message, stays."""
        self.sequence = sequence
        self.message = {**self.message, "sequence": f"{sequence:020d}"}
        self.__post_init__()


class Backlog:
    """Entries in ascending order of their sequences. Thread-safe."""

    def __init__(self) -> None:
        """Begin empty."""
        self._entries: dict[int, Entry] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._entries)

    def append(self, entry: Entry) -> Entry | None:
        """Queue an entry; return the oldest one if it was dropped for that."""
        with self._lock:
            oldest = self._entries.pop(next(iter(self._entries))) if len(self._entries) >= BACKLOG_MAX else None
            self._entries[entry.sequence] = entry
        return oldest

    def peek(self, limit: int) -> list[Entry]:
        """Return the oldest entries, at most `limit`."""
        with self._lock:
            return [entry for _, entry in zip(range(limit), self._entries.values(), strict=False)]

    def list_after(self, sequence: int) -> list[Entry]:
        """Return all entries after a sequence."""
        with self._lock:
            return [entry for entry in self._entries.values() if entry.sequence > sequence]

    def remove(self, entries: list[Entry]) -> None:
        """Remove entries."""
        with self._lock:
            for entry in entries:
                self._entries.pop(entry.sequence, None)

    def acknowledge(self, sequence: int) -> bool:
        """Mark a message as delivered; return whether it is in this queue."""
        with self._lock:
            entry = self._entries.get(sequence)
            if entry is not None:
                entry.topic = None
        return entry is not None

    def renumber(self, highest: int) -> int:
        """Give every entry a sequence above `highest`, and return the last one."""
        with self._lock:
            entries = list(self._entries.values())
            for sequence, entry in enumerate(entries, highest + 1):
                entry.renumber(sequence)
            self._entries = {entry.sequence: entry for entry in entries}
        return highest + len(entries)

    def stats(self) -> tuple[int, tuple[int, float] | None]:
        """Return the number of undelivered messages, and the oldest: its sequence and `queued_s`."""
        with self._lock:
            found = [(entry.sequence, entry.queued_s) for entry in self._entries.values() if entry.topic is not None]
        return len(found), found[0] if found else None
