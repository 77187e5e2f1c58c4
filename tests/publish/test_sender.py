"""What goes out next, on a line that takes notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge.errors import StorageError
from edge.publish.expiring import ExpiringMessage
from edge.publish.mailbox import VOLATILE_MAX
from edge.publish.outbox_sender import WINDOW
from edge.publish.refusals import PAUSE_S
from tests.publish.conftest import TOPIC, record
from tests.publish.desk import Desk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.store import Store


@pytest.fixture
def desk(store: Store) -> Iterator[Desk]:
    made = Desk(store)
    yield made
    made.mail.close()


def test_the_birth_comes_after_all_it_vouches_for(desk: Desk) -> None:
    """Who sees `online` may trust the states that are there."""
    desk.mail.put_state("mic/status", b"online")
    desk.mail.put_state("status", b"stopped")
    desk.mail.put_state("info", b"{}")
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
    desk.mail.put_state("a", b"ON")
    desk.mail.put_state("a", b"OFF")
    desk.send()
    desk.mail.put_state("a", b"OFF")
    desk.send()
    assert desk.line.sent.count(("a", b"OFF", 1, True)) == 1
    assert ("a", b"ON", 1, True) not in desk.line.sent


def test_a_thousand_states_leave_room_for_an_event(desk: Desk) -> None:
    """An event does not wait until every state of many sources has arrived."""
    record(desk.store, 1)
    for i in range(1000):
        desk.mail.put_state(f"sound/{i}", b"OFF")
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
        desk.sender.handle_answer(answered + 1)
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
        patch.setattr(desk.store, "outbox_remove", full)
        for number in desk.events():
            desk.sender.handle_answer(number)
        desk.mail.put_state("a", b"ON")
        desk.send()
        assert len(desk.events()) == WINDOW
        assert desk.line.topics()[-1] == "a"
        assert desk.said == ["events wait: the disk is full"]
        assert not desk.sender.delivered_all
    desk.send()
    assert len(desk.events()) == WINDOW + 1
    desk.sender.handle_answer(desk.events()[-1])
    desk.send()
    assert desk.store.outbox_stats()[0] == 0
    assert desk.sender.delivered_all


def test_a_refused_event_is_offered_again_after_a_pause_before_all_others_of_its_topic(desk: Desk) -> None:
    """It is said why; when it arrives the others follow in order, and the window does not shrink."""
    for number in range(3):
        record(desk.store, number)
    desk.begin()
    desk.send()
    first, second, third = desk.events()
    desk.sender.handle_answer(first, "Not authorized")
    desk.sender.handle_answer(second)
    record(desk.store, 3)
    desk.mail.notify_outbox()
    desk.now_s = PAUSE_S + 1
    desk.send()
    assert len(desk.events()) == 3, "the third is still on its way"
    desk.sender.handle_answer(third)
    desk.send()
    waiting = [row.payload for row in desk.store.outbox_peek(0, 10)]
    assert [desk.line.sent[number - 1][1] for number in desk.events()[3:]] == waiting[:1]
    assert desk.sender.refused == {
        TOPIC: "Not authorized; check the broker's access rules, mqtt.username and mqtt.password_file"
    }
    desk.sender.handle_answer(desk.events()[3])
    desk.send()
    assert [desk.line.sent[number - 1][1] for number in desk.events()[3:]] == waiting
    assert desk.sender.refused == {}
    (line,) = desk.said
    assert line.startswith("the broker refused an event, which waits: Not authorized; check the broker's access rules")
    assert TOPIC in line


def test_within_the_pause_nothing_is_offered(desk: Desk) -> None:
    """A broker that says no is not asked a thousand times a second."""
    record(desk.store, 1)
    desk.begin()
    desk.send()
    desk.sender.handle_answer(desk.events()[0], "Quota exceeded")
    record(desk.store, 2)
    desk.mail.notify_outbox()
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
    desk.line.congested = True
    for i in range(VOLATILE_MAX + 10):
        desk.mail.put_volatile("level", b"%d" % i)
    desk.send()
    desk.line.congested = False
    desk.send()
    levels = [payload for topic, payload, _, _ in desk.line.sent if topic == "level"]
    assert levels == [b"%d" % i for i in range(10, VOLATILE_MAX + 10)]


@pytest.mark.parametrize(
    "bad", ["tocsin/lamp/mi#/event", "tocsin/l+mp/mic/event", "", "tocsin/\x01/event", "t" * 70_000]
)
def test_what_no_broker_would_take_is_taken_out_of_the_way(
    bad: str, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """As by a damaged disk: it is said and counted, by store or sender, and all that is behind it goes."""
    for number, topic in enumerate([TOPIC, bad, TOPIC]):
        record(desk.store, number, topic=topic)
    lost: list[str] = []
    desk.begin()
    desk.mail.put_state(bad, b"ON")
    desk.mail.put_expiring(ExpiringMessage(bad, b"", 1, False, 9.0, lost.append))
    desk.send()
    for number in desk.events():
        desk.sender.handle_answer(number)
    desk.send()
    assert desk.store.outbox_stats()[0] == 0
    assert desk.line.topics().count(TOPIC) == 2
    assert desk.sender.unsendable + desk.store.removed == 1
    said = "\n".join([*desk.said, caplog.text])
    assert "event 2 for" in said or "message 2 that waited for the broker is removed" in said
    assert any("a state on" in line for line in desk.said)
    assert [why.partition(":")[0] for why in lost] == ["it cannot be sent"]
    assert all(len(line) < 250 for line in desk.said)


def test_a_refused_topic_does_not_hold_up_another(desk: Desk) -> None:
    """However many wait behind it."""
    for number in range(300):
        record(desk.store, number, topic="tocsin/lamp/b/event" if number % 3 else TOPIC)
    desk.begin()
    answered = 0
    for _ in range(100):
        desk.send()
        for number in desk.events()[answered:]:
            topic = desk.line.sent[number - 1][0]
            desk.sender.handle_answer(number, "Not authorized" if topic != TOPIC else "")
        answered = len(desk.events())
    assert desk.line.topics().count(TOPIC) == 100
    assert desk.store.outbox_stats()[0] == 200
    assert list(desk.sender.refused) == ["tocsin/lamp/b/event"]
    assert desk.line.topics().count("tocsin/lamp/b/event") <= WINDOW, "it is not offered again within the pause"
    assert desk.sender.delivered_all, "a stop does not wait for it"


def test_a_refusal_is_forgotten_when_nothing_of_its_topic_waits_any_more(desk: Desk) -> None:
    """The outbox may have dropped it meanwhile; the node is not unready for ever."""
    record(desk.store, 1)
    desk.begin()
    desk.send()
    desk.sender.handle_answer(desk.events()[0], "Quota exceeded")
    desk.store.outbox_remove(1)
    desk.now_s = PAUSE_S + 1
    desk.send()
    assert desk.sender.refused == {}


def test_an_event_at_which_the_broker_hangs_up_does_not_hold_up_another(desk: Desk) -> None:
    """Though nothing was answered: events go one by one for a while, and the one at fault waits."""
    bad = "tocsin/lamp/b/event"
    for number, topic in enumerate([bad, bad, TOPIC, TOPIC]):
        record(desk.store, number, topic=topic)
    for _ in range(4):
        desk.begin()
        desk.send()
    assert list(desk.sender.refused) == [bad]
    assert "ends the connection" in desk.sender.refused[bad]
    assert desk.line.topics().count(bad) == 0
    for number in desk.events():
        desk.sender.handle_answer(number)
    desk.send()
    assert desk.store.outbox_stats()[0] == 2
    assert not [row for row in desk.store.outbox_peek(0, 9) if row.topic == TOPIC]


def test_a_line_that_is_lost_now_and_then_blames_no_event(desk: Desk) -> None:
    """Something was answered on it."""
    for number in range(50):
        record(desk.store, number)
    for _ in range(10):
        desk.begin()
        desk.send()
        desk.sender.handle_answer(desk.events()[0])
    assert desk.sender.refused == {}
    assert desk.said == []


def test_an_event_that_is_too_long_for_a_broker_is_not_thrown_away(desk: Desk) -> None:
    """It waits as if it were refused, for that may be changed; whatever a broker says, it deletes nothing here."""
    for number in range(3):
        record(desk.store, number)
    desk.begin()
    desk.line.longest = 20
    for _ in range(3):
        desk.send()
        desk.now_s += PAUSE_S
    assert desk.events() == []
    assert desk.sender.refused == {TOPIC: "it is too long"}
    assert desk.store.outbox_stats()[0] == 3
    desk.line.longest = 1 << 20
    for answered in range(4):
        desk.send()
        for number in desk.events()[answered:]:
            desk.sender.handle_answer(number)
    assert desk.store.outbox_stats()[0] == 0
    assert len([line for line in desk.said if "refused an event" in line]) == 1
