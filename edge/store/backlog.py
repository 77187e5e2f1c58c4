"""What was recorded and is not on the disk yet: a bounded queue in memory, empty while the disk does its work."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edge.jsontext import dumps

if TYPE_CHECKING:
    Json = dict[str, Any]

BACKLOG_MAX = 10_000
"""Messages that wait for the disk; then the oldest go."""


@dataclass
class Entry:
    """A message on its way to the disk."""

    sequence: int
    message: Json
    topic: str | None
    """Where it is to be sent; None where it need not be, or the broker has it already."""
    body: bytes | None
    """What is sent where that is not the message itself."""
    queued_s: float
    """Since when it waits, in Unix seconds."""
    text: str = field(init=False)
    """The message as the history keeps it."""

    def __post_init__(self) -> None:
        """Make the text."""
        self.text = dumps(self.message, separators=(",", ":"), ensure_ascii=False)

    @property
    def payload(self) -> bytes:
        """What is sent."""
        return self.text.encode() if self.body is None else self.body

    def renumber(self, sequence: int) -> None:
        """Give it another sequence; its id, by which readers know it, stays."""
        self.sequence = sequence
        self.message = {**self.message, "sequence": f"{sequence:020d}"}
        self.__post_init__()


class Backlog:
    """Entries by rising sequence. Thread-safe."""

    def __init__(self) -> None:
        """Begin empty."""
        self._entries: dict[int, Entry] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._entries)

    def append(self, entry: Entry) -> Entry | None:
        """Queue an entry, and return the oldest one where it has to go for that."""
        with self._lock:
            oldest = self._entries.pop(next(iter(self._entries))) if len(self._entries) >= BACKLOG_MAX else None
            self._entries[entry.sequence] = entry
        return oldest

    def first(self, limit: int) -> list[Entry]:
        """Return the oldest entries."""
        with self._lock:
            return [entry for _, entry in zip(range(limit), self._entries.values(), strict=False)]

    def after(self, sequence: int) -> list[Entry]:
        """Return all entries behind a sequence."""
        with self._lock:
            return [entry for entry in self._entries.values() if entry.sequence > sequence]

    def remove(self, entries: list[Entry]) -> None:
        """Take entries out."""
        with self._lock:
            for entry in entries:
                self._entries.pop(entry.sequence, None)

    def acknowledge(self, sequence: int) -> bool:
        """Note that the broker has a message; return whether it was one of these."""
        with self._lock:
            entry = self._entries.get(sequence)
            if entry is not None:
                entry.topic = None
        return entry is not None

    def renumber_above(self, highest: int) -> int:
        """Give every entry a sequence above `highest`, and return the last one."""
        with self._lock:
            entries = list(self._entries.values())
            for sequence, entry in enumerate(entries, highest + 1):
                entry.renumber(sequence)
            self._entries = {entry.sequence: entry for entry in entries}
        return highest + len(entries)

    def waiting(self) -> tuple[int, tuple[int, float] | None]:
        """Return how many wait for the broker, and the oldest: its sequence, and since when, in Unix seconds."""
        with self._lock:
            found = [(entry.sequence, entry.queued_s) for entry in self._entries.values() if entry.topic is not None]
        return len(found), found[0] if found else None
