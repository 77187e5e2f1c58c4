"""The window in flight, with brokers that answer in any order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.publish.window import SendWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SIZE = 3
TOPIC = "mic/event"


class Delivery:
    """An outbox, its window, and a simulated broker whose connection may be lost."""

    def __init__(self) -> None:
        self.window = SendWindow(SIZE)
        self.outbox: list[int] = []
        self.wire: dict[int, int] = {}
        self.received: list[int] = []
        self.recorded = self.packets = 0

    def record(self) -> None:
        self.recorded += 1
        self.outbox.append(self.recorded)

    def send(self) -> None:
        if self.window.delivered:
            return
        for sequence in [each for each in self.outbox if each > self.window.scanned][: self.window.room]:
            self.packets += 1
            self.window.add(self.packets, sequence, TOPIC)
            self.window.scanned = sequence
            self.wire[self.packets] = sequence

    def answer(self, choose: Callable[[Iterable[int]], int] = min) -> None:
        """Let the broker receive everything up to a packet, and acknowledge that one."""
        if self.wire:
            packet = choose(self.wire)
            self.received += [self.wire[each] for each in sorted(self.wire) if each <= packet]
            del self.wire[packet]
            self.window.acknowledge(packet)

    def answer_the_last(self) -> None:
        """Acknowledge in an order that no broker should choose, but may."""
        self.answer(max)

    def remove(self) -> None:
        if self.window.delivered:
            self.outbox.remove(self.window.delivered[0])
            self.window.remove_delivered()

    def lose(self) -> None:
        self.wire.clear()
        self.window.restart()


@given(st.lists(st.sampled_from(["record", "send", "answer", "answer_the_last", "remove", "lose"]), max_size=120))
def test_first_deliveries_are_in_order_and_nothing_is_lost(steps: list[str]) -> None:
    """For every order of recording, sending, acknowledgement, removal and loss."""
    delivery = Delivery()
    for step in steps:
        getattr(delivery, step)()
        assert delivery.window.in_flight + len(delivery.window.delivered) <= SIZE
    while delivery.outbox:
        delivery.remove()
        delivery.send()
        delivery.answer()
    assert list(dict.fromkeys(delivery.received)) == list(range(1, delivery.recorded + 1))


def test_a_refused_message_is_the_first_after_a_restart() -> None:
    """It stays in the outbox."""
    window = SendWindow(SIZE)
    window.add(1, 10, TOPIC)
    assert window.refuse(1)
    assert not window.refuse(1)
    assert (window.room, window.delivered) == (SIZE, [])
    window.restart()
    window.add(2, 10, TOPIC)
    window.acknowledge(2)
    assert window.delivered == [10]


@pytest.mark.parametrize("sequence", [5, 4])
def test_nothing_is_sent_twice_or_backwards_on_one_connection(sequence: int) -> None:
    """A programming error raises at once."""
    window = SendWindow(SIZE)
    window.add(1, 5, TOPIC)
    with pytest.raises(ValueError, match="cannot follow"):
        window.add(2, sequence, TOPIC)


def test_a_full_window_takes_no_more() -> None:
    """Also if all messages are delivered and none is removed: a full disk must not fill the memory."""
    window = SendWindow(1)
    window.add(1, 1, TOPIC)
    window.acknowledge(1)
    assert window.room == 0
    with pytest.raises(ValueError, match="room for 0"):
        window.add(2, 2, TOPIC)
    window.remove_delivered()
    window.add(2, 2, TOPIC)


def test_an_answer_to_something_else_changes_nothing() -> None:
    """Answers to states are ignored."""
    window = SendWindow(SIZE)
    window.add(1, 1, TOPIC)
    window.acknowledge(99)
    assert (window.in_flight, window.delivered) == (1, [])


def test_a_window_without_room_is_refused() -> None:
    """A window needs room for a message."""
    with pytest.raises(ValueError, match="room for a message"):
        SendWindow(0)
