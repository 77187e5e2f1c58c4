"""What goes out next, on a line that takes notes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from edge.errors import StorageError
from edge.publish.mailbox import VOLATILE_MAX, Mailbox
from edge.publish.sender import PAUSE_S, WINDOW, Sender
from tests.publish.conftest import record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.store import Store


@dataclass
class Notes:
    """A line that carries everything until it is jammed or its numbers run out."""

    sent: list[tuple[str, bytes, int, bool]] = field(default_factory=list)
    jammed: bool = False
    exhausted: bool = False

    def send(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> int | None:
        if self.exhausted:
            return None
        self.sent.append((topic, payload, qos, retain))
        return len(self.sent)

    def topics(self) -> list[str]:
        return [topic for topic, *_ in self.sent]


@dataclass
class Desk:
    """A sender with all it works with, and a clock that is turned by hand."""

    store: Store
    mail: Mailbox = field(default_factory=Mailbox)
    line: Notes = field(default_factory=Notes)
    said: list[str] = field(default_factory=list)
    now_s: float = 0.0

    def __post_init__(self) -> None:
        self.sender = Sender(self.store, self.mail, say=self.said.append, clock=lambda: self.now_s)

    def begin(self, quota: int | None = None) -> None:
        self.line.sent.clear()
        self.sender.begin(quota)
        self.mail.begin("status", b"online")

    def send(self) -> None:
        self.sender.send(self.line)

    def events(self) -> list[int]:
        return [i + 1 for i, (*_, retain) in enumerate(self.line.sent) if not retain]


@pytest.fixture
def desk(store: Store) -> Iterator[Desk]:
    made = Desk(store)
    yield made
    made.mail.close()


def test_the_birth_comes_after_all_it_vouches_for(desk: Desk) -> None:
    """Who sees `online` may trust the states that are there."""
    desk.mail.leave_state("mic/status", b"online")
    desk.mail.leave_state("status", b"stopped")
    desk.mail.leave_state("info", b"{}")
    desk.begin()
    desk.send()
    assert desk.line.sent == [
        ("mic/status", b"online", 1, True),
        ("info", b"{}", 1, True),
        ("status", b"online", 1, True),
    ]


def test_a_state_is_sent_once_and_only_its_latest_value(desk: Desk) -> None:
    """The broker keeps one value a topic; so do we."""
    desk.begin()
    desk.mail.leave_state("a", b"ON")
    desk.mail.leave_state("a", b"OFF")
    desk.send()
    desk.mail.leave_state("a", b"OFF")
    desk.send()
    assert desk.line.sent.count(("a", b"OFF", 1, True)) == 1
    assert ("a", b"ON", 1, True) not in desk.line.sent


def test_a_thousand_states_leave_room_for_an_event(desk: Desk) -> None:
    """An event does not wait until every state of many sources has arrived."""
    record(desk.store, 1)
    for i in range(1000):
        desk.mail.leave_state(f"sound/{i}", b"OFF")
    desk.begin()
    desk.send()
    assert len(desk.line.sent) == WINDOW + 1
    assert len(desk.events()) == 1


def test_the_brokers_own_limit_is_heeded(desk: Desk) -> None:
    """One at a time if it must be: first the states, then the events."""
    for number in range(3):
        record(desk.store, number)
    desk.begin(quota=1)
    for answered in range(4):
        desk.send()
        desk.send()
        assert len(desk.line.sent) == answered + 1
        desk.sender.answered(answered + 1)
    desk.send()
    assert desk.line.topics()[0] == "status"
    assert desk.store.outbox_stats()[0] == 0


def test_a_disk_that_cannot_cross_off_stops_the_sending_and_nothing_else(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was delivered is crossed off once there is room again, without another connection."""
    for number in range(WINDOW + 1):
        record(desk.store, number)
    desk.begin()
    desk.send()

    def full(sequence: int) -> None:
        msg = "the disk is full"
        raise StorageError(msg)

    with monkeypatch.context() as patch:
        patch.setattr(desk.store, "outbox_done", full)
        for number in desk.events():
            desk.sender.answered(number)
        desk.mail.leave_state("a", b"ON")
        desk.send()
        assert len(desk.events()) == WINDOW
        assert desk.line.topics()[-1] == "a"
        assert desk.said == ["events wait: the disk is full"]
        assert not desk.sender.delivered_all
    desk.send()
    assert len(desk.events()) == WINDOW + 1
    desk.sender.answered(desk.events()[-1])
    desk.send()
    assert desk.store.outbox_stats()[0] == 0
    assert desk.sender.delivered_all


def test_an_event_that_the_line_will_never_take_keeps_no_other(
    desk: Desk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It leaves the outbox, is said, and counts."""
    for number in range(3):
        record(desk.store, number)
    send = desk.line.send

    def particular(topic: str, payload: bytes, *, qos: int, retain: bool) -> int | None:
        if b'"score":0.0001' in payload:
            msg = "Invalid topic"
            raise ValueError(msg)
        return send(topic, payload, qos=qos, retain=retain)

    monkeypatch.setattr(desk.line, "send", particular)
    desk.begin()
    desk.send()
    for number in desk.events():
        desk.sender.answered(number)
    desk.send()
    assert (len(desk.events()), desk.store.outbox_stats()[0], desk.store.removed) == (2, 0, 1)
    assert "Invalid topic" in caplog.text


def test_a_refused_event_is_offered_again_after_a_pause_before_all_others(desk: Desk) -> None:
    """It is said why; nothing later overtakes it for good, and the window does not shrink."""
    for number in range(3):
        record(desk.store, number)
    desk.begin()
    desk.send()
    first, second, third = desk.events()
    desk.sender.answered(first, "Not authorized")
    desk.sender.answered(second)
    record(desk.store, 3)
    desk.mail.leave_news()
    desk.now_s = PAUSE_S + 1
    desk.send()
    assert len(desk.events()) == 3, "the third is still on its way"
    desk.sender.answered(third)
    desk.send()
    assert [desk.line.sent[number - 1][1] for number in desk.events()[3:]] == [
        row.payload for row in desk.store.outbox_peek(0, 10)
    ]
    (line,) = desk.said
    assert line.startswith("the broker refused an event, which waits: Not authorized; check the broker's access rules")


def test_within_the_pause_nothing_is_offered(desk: Desk) -> None:
    """A broker that says no is not asked a thousand times a second."""
    record(desk.store, 1)
    desk.begin()
    desk.send()
    desk.sender.answered(desk.events()[0], "Quota exceeded")
    record(desk.store, 2)
    desk.mail.leave_news()
    desk.now_s = PAUSE_S / 2
    desk.send()
    assert len(desk.events()) == 1


def test_what_the_library_does_not_take_is_not_forgotten(desk: Desk) -> None:
    """Its numbers may have run out."""
    record(desk.store, 1)
    desk.begin()
    desk.line.exhausted = True
    desk.send()
    assert desk.line.sent == []
    desk.line.exhausted = False
    desk.send()
    assert desk.line.topics()[0] == "status"
    assert len(desk.events()) == 1


def test_a_jammed_line_gets_the_newest_of_what_is_of_use_only_now(desk: Desk) -> None:
    """Memory is bounded, and old levels are of no use."""
    desk.begin()
    desk.line.jammed = True
    for i in range(VOLATILE_MAX + 10):
        desk.mail.leave_volatile("level", b"%d" % i)
    desk.send()
    desk.line.jammed = False
    desk.send()
    levels = [payload for topic, payload, _, _ in desk.line.sent if topic == "level"]
    assert levels == [b"%d" % i for i in range(10, VOLATILE_MAX + 10)]
