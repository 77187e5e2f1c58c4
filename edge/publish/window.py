"""Which messages of the outbox are on their way. Pure: no broker, no disk, no clock."""

from __future__ import annotations


class Window:
    """The bounded stretch of the outbox between the first message without an acknowledgement and the last one sent.

    Messages are sent in rising order of their sequence. A message counts until it is crossed off, so a disk that cannot
    cross off stops the sending instead of growing a list.
    """

    def __init__(self, size: int) -> None:
        """Take how many messages may be on their way."""
        if size < 1:
            msg = f"a window needs room for a message, not for {size}"
            raise ValueError(msg)
        self._size = size
        self._in_flight: dict[int, int] = {}
        self.delivered: list[int] = []
        """Sequences that were acknowledged and are still to be crossed off."""
        self.sent = 0
        """Highest sequence sent on this connection: what comes next is behind it."""

    @property
    def in_flight(self) -> int:
        """Messages sent and not acknowledged."""
        return len(self._in_flight)

    @property
    def room(self) -> int:
        """Messages that may be sent now."""
        return self._size - len(self._in_flight) - len(self.delivered)

    def send(self, packet_id: int, sequence: int) -> None:
        """Note that a message went out as a packet; raises `ValueError` for one that is out of order or too much."""
        if sequence <= self.sent or self.room < 1:
            msg = f"message {sequence} cannot follow {self.sent} with room for {self.room}"
            raise ValueError(msg)
        self._in_flight[packet_id] = sequence
        self.sent = sequence

    def acknowledge(self, packet_id: int) -> None:
        """Note that the broker has a packet; one that is not ours changes nothing."""
        sequence = self._in_flight.pop(packet_id, None)
        if sequence is not None:
            self.delivered.append(sequence)

    def refuse(self, packet_id: int) -> bool:
        """Note that the broker will not have a packet, and return whether it was ours; it stays in the outbox."""
        return self._in_flight.pop(packet_id, None) is not None

    def crossed_off(self) -> None:
        """Note that the first delivered message has left the outbox."""
        del self.delivered[0]

    def restart(self) -> None:
        """Begin with the first message in the outbox again: what was in flight is lost, or has been refused."""
        self._in_flight.clear()
        self.sent = 0
