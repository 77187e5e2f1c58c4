"""Window of the outbox that is in flight. Pure: no broker, no disk, no clock."""

from __future__ import annotations


class SendWindow:
    """The bounded set of messages that were sent and are still in the outbox.

    Messages of one topic are sent in ascending order of their sequences; other topics do not wait for them. A message
    counts until it is removed from the outbox, so a disk that refuses the removal stops the sending instead of growing
    a list.
    """

    def __init__(self, size: int) -> None:
        """Take the most messages that the window may hold."""
        if size < 1:
            msg = f"a window needs room for a message, not for {size}"
            raise ValueError(msg)
        self.size = size
        """The most messages that the window may hold."""
        self._in_flight: dict[int, tuple[int, str]] = {}
        self._last: dict[str, int] = {}  # by topic: the highest sequence sent
        self.delivered: list[int] = []
        """Sequences that are acknowledged and not yet removed from the outbox."""
        self.scanned = 0
        """Sequence up to which the outbox was scanned on this connection."""

    @property
    def in_flight(self) -> int:
        """Number of messages sent and not acknowledged."""
        return len(self._in_flight)

    @property
    def room(self) -> int:
        """Number of messages that may be sent now."""
        return self.size - len(self._in_flight) - len(self.delivered)

    @property
    def unanswered(self) -> list[tuple[int, str]]:
        """Sequence and topic of every message in flight."""
        return list(self._in_flight.values())

    def list_topics(self) -> list[str]:
        """Return the topic of every message in flight."""
        return [topic for _, topic in self._in_flight.values()]

    def contains(self, sequence: int) -> bool:
        """Return whether a message is in flight or acknowledged."""
        return sequence in self.delivered or any(sequence == each for each, _ in self._in_flight.values())

    def add(self, packet_id: int, sequence: int, topic: str) -> None:
        """Add a message sent as a packet; raises `ValueError` out of order or without room."""
        last = self._last.get(topic, 0)
        if sequence <= last or self.room < 1:
            msg = f"message {sequence} cannot follow {last} with room for {self.room}"
            raise ValueError(msg)
        self._in_flight[packet_id] = (sequence, topic)
        self._last[topic] = sequence

    def acknowledge(self, packet_id: int) -> tuple[int, str] | None:
        """Note the acknowledgement of a packet; return its sequence and topic, None for another packet."""
        message = self._in_flight.pop(packet_id, None)
        if message is not None:
            self.delivered.append(message[0])
        return message

    def refuse(self, packet_id: int) -> tuple[int, str] | None:
        """Note the refusal of a packet; return its sequence and topic.

        The message stays in the outbox.
        """
        message = self._in_flight.pop(packet_id, None)
        if message is not None:
            sequence, topic = message
            self._last[topic] = min(self._last[topic], sequence - 1)
        return message

    def remove_delivered(self) -> None:
        """Note that the first delivered message was removed from the outbox."""
        del self.delivered[0]

    def rewind(self, sequence: int) -> None:
        """Scan the outbox again from behind a sequence."""
        self.scanned = min(self.scanned, sequence)

    def restart(self) -> None:
        """Begin again with the first message in the outbox, as on a new connection."""
        self._in_flight.clear()
        self._last.clear()
        self.scanned = 0
