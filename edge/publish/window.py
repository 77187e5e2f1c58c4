"""Which messages of the outbox are on their way. Pure: no broker, no disk, no clock."""

from __future__ import annotations


class SendWindow:
    """The bounded part of the outbox between being sent and being crossed off.

    Messages of one topic are sent in rising order of their sequence; those of another do not wait for them. A message
    counts until it is crossed off, so a disk that cannot cross off stops the sending instead of growing a list.
    """

    def __init__(self, size: int) -> None:
        """Take how many messages may be on their way."""
        if size < 1:
            msg = f"a window needs room for a message, not for {size}"
            raise ValueError(msg)
        self.size = size
        """How many messages may be on their way."""
        self._in_flight: dict[int, tuple[int, str]] = {}
        self._last: dict[str, int] = {}  # highest sequence sent of each topic
        self.delivered: list[int] = []
        """Sequences that were acknowledged and are still to be crossed off."""
        self.scanned = 0
        """Sequence up to which the outbox was looked through on this connection: what comes next is behind it."""

    @property
    def in_flight(self) -> int:
        """Messages sent and not acknowledged."""
        return len(self._in_flight)

    @property
    def room(self) -> int:
        """Messages that may be sent now."""
        return self.size - len(self._in_flight) - len(self.delivered)

    @property
    def unanswered(self) -> list[tuple[int, str]]:
        """Sequence and topic of every message in flight."""
        return list(self._in_flight.values())

    def list_topics(self) -> list[str]:
        """Return the topic of every message in flight."""
        return [topic for _, topic in self._in_flight.values()]

    def contains(self, sequence: int) -> bool:
        """Return whether a message is on its way or delivered already."""
        return sequence in self.delivered or any(sequence == each for each, _ in self._in_flight.values())

    def add(self, packet_id: int, sequence: int, topic: str) -> None:
        """Note that a message went out as a packet; raises `ValueError` for one that is out of order or too much."""
        last = self._last.get(topic, 0)
        if sequence <= last or self.room < 1:
            msg = f"message {sequence} cannot follow {last} with room for {self.room}"
            raise ValueError(msg)
        self._in_flight[packet_id] = (sequence, topic)
        self._last[topic] = sequence

    def acknowledge(self, packet_id: int) -> tuple[int, str] | None:
        """Note that the broker has a packet; return its sequence and topic, None where it was not ours."""
        message = self._in_flight.pop(packet_id, None)
        if message is not None:
            self.delivered.append(message[0])
        return message

    def refuse(self, packet_id: int) -> tuple[int, str] | None:
        """Note that the broker will not have a packet, which stays in the outbox; return its sequence and topic."""
        message = self._in_flight.pop(packet_id, None)
        if message is not None:
            sequence, topic = message
            self._last[topic] = min(self._last[topic], sequence - 1)
        return message

    def remove_delivered(self) -> None:
        """Note that the first delivered message has left the outbox."""
        del self.delivered[0]

    def rewind(self, sequence: int) -> None:
        """Look through the outbox from behind a sequence again."""
        self.scanned = min(self.scanned, sequence)

    def restart(self) -> None:
        """Begin with the first message in the outbox again: what was in flight is lost, or has been refused."""
        self._in_flight.clear()
        self._last.clear()
        self.scanned = 0
