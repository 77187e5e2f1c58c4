"""Order and limits of sending."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge.errors import StorageError
from edge.publish.expiring import ExpiringMessage
from edge.publish.mailbox import VOLATILE_MAX
from edge.publish.outbox_sender import WINDOW
from edge.publish.refusals import PAUSE_S
from tests.publish.conftest import TOPIC, record
from tests.publish.sender_bench import SenderBench

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.store import Store


@pytest.fixture
def bench(store: Store) -> Iterator[SenderBench]:
    made = SenderBench(store)
    yield made
    made.mail.close()


def test_online_is_sent_after_all_other_states(bench: SenderBench) -> None:
    """A client that sees `online` may rely on the other states."""
    bench.mail.put_state("mic/status", b"online")
    bench.mail.put_state("status", b"stopped")
    bench.mail.put_state("info", b"{}")
    bench.begin()
    bench.send()
    assert bench.transport.sent == [
        ("mic/status", b"online", 1, True),
        ("info", b"{}", 1, True),
        ("status", b"online", 1, True),
    ]


def test_a_state_is_sent_once_and_only_its_latest_value(bench: SenderBench) -> None:
    """One value per topic is kept."""
    bench.begin()
    bench.mail.put_state("a", b"ON")
    bench.mail.put_state("a", b"OFF")
    bench.send()
    bench.mail.put_state("a", b"OFF")
    bench.send()
    assert bench.transport.sent.count(("a", b"OFF", 1, True)) == 1
    assert ("a", b"ON", 1, True) not in bench.transport.sent


def test_a_thousand_states_leave_room_for_an_event(bench: SenderBench) -> None:
    """An event does not wait until every state of many sources has arrived."""
    record(bench.store, 1)
    for i in range(1000):
        bench.mail.put_state(f"sound/{i}", b"OFF")
    bench.begin()
    bench.send()
    assert len(bench.transport.sent) == WINDOW + 1
    assert len(bench.events()) == 1


def test_the_brokers_own_limit_is_kept(bench: SenderBench) -> None:
    """With a quota of one, messages are sent one by one: first states, then events."""
    for number in range(3):
        record(bench.store, number)
    bench.begin(quota=1)
    for answered in range(4):
        bench.send()
        bench.send()
        assert len(bench.transport.sent) == answered + 1
        bench.sender.handle_answer(answered + 1)
    bench.send()
    assert bench.transport.topics()[0] == "status"
    assert bench.store.outbox_stats()[0] == 0


def test_a_disk_that_cannot_remove_messages_stops_events_and_nothing_else(
    bench: SenderBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Delivered events are removed once the disk allows it, on the same connection."""
    for number in range(WINDOW + 1):
        record(bench.store, number)
    bench.begin()
    bench.send()

    def full(sequence: int) -> None:
        msg = "the disk is full"
        raise StorageError(msg)

    with monkeypatch.context() as patch:
        patch.setattr(bench.store, "outbox_remove", full)
        for number in bench.events():
            bench.sender.handle_answer(number)
        bench.mail.put_state("a", b"ON")
        bench.send()
        assert len(bench.events()) == WINDOW
        assert bench.transport.topics()[-1] == "a"
        assert bench.warnings == ["events wait: the disk is full"]
        assert not bench.sender.delivered_all
    bench.send()
    assert len(bench.events()) == WINDOW + 1
    bench.sender.handle_answer(bench.events()[-1])
    bench.send()
    assert bench.store.outbox_stats()[0] == 0
    assert bench.sender.delivered_all


def test_a_refused_event_is_offered_again_after_a_pause_before_all_others_of_its_topic(bench: SenderBench) -> None:
    """The reason is logged; after its acknowledgement the others follow in order, and the window keeps its size."""
    for number in range(3):
        record(bench.store, number)
    bench.begin()
    bench.send()
    first, second, third = bench.events()
    bench.sender.handle_answer(first, "Not authorized")
    bench.sender.handle_answer(second)
    record(bench.store, 3)
    bench.mail.notify_outbox()
    bench.now_s = PAUSE_S + 1
    bench.send()
    assert len(bench.events()) == 3, "the third is still on its way"
    bench.sender.handle_answer(third)
    bench.send()
    waiting = [row.payload for row in bench.store.outbox_peek(0, 10)]
    assert [bench.transport.sent[number - 1][1] for number in bench.events()[3:]] == waiting[:1]
    assert bench.sender.refused == {
        TOPIC: "Not authorized; check the broker's access rules, mqtt.username and mqtt.password_file"
    }
    bench.sender.handle_answer(bench.events()[3])
    bench.send()
    assert [bench.transport.sent[number - 1][1] for number in bench.events()[3:]] == waiting
    assert bench.sender.refused == {}
    (line,) = bench.warnings
    assert line.startswith("the broker refused an event, which waits: Not authorized; check the broker's access rules")
    assert TOPIC in line


def test_within_the_pause_nothing_is_offered(bench: SenderBench) -> None:
    """A refused event is not sent again before the pause is over."""
    record(bench.store, 1)
    bench.begin()
    bench.send()
    bench.sender.handle_answer(bench.events()[0], "Quota exceeded")
    record(bench.store, 2)
    bench.mail.notify_outbox()
    bench.now_s = PAUSE_S / 2
    bench.send()
    assert len(bench.events()) == 1


def test_a_message_that_the_library_refuses_is_sent_later(bench: SenderBench) -> None:
    """A message that the transport does not accept is sent later."""
    record(bench.store, 1)
    bench.begin()
    bench.transport.exhausted = True
    bench.send()
    assert bench.transport.sent == []
    bench.transport.exhausted = False
    bench.send()
    assert bench.transport.topics()[0] == "status"
    assert len(bench.events()) == 1


def test_a_congested_connection_gets_the_newest_volatile_messages(bench: SenderBench) -> None:
    """Of volatile messages only the newest are kept."""
    bench.begin()
    bench.transport.congested = True
    for i in range(VOLATILE_MAX + 10):
        bench.mail.put_volatile("level", b"%d" % i)
    bench.send()
    bench.transport.congested = False
    bench.send()
    levels = [payload for topic, payload, _, _ in bench.transport.sent if topic == "level"]
    assert levels == [b"%d" % i for i in range(10, VOLATILE_MAX + 10)]


@pytest.mark.parametrize(
    "bad", ["tocsin/lamp/mi#/event", "tocsin/l+mp/mic/event", "", "tocsin/\x01/event", "t" * 70_000]
)
def test_a_message_that_no_broker_accepts_is_removed(
    bad: str, bench: SenderBench, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged and counted, by store or sender, and the messages behind it are sent."""
    for number, topic in enumerate([TOPIC, bad, TOPIC]):
        record(bench.store, number, topic=topic)
    lost: list[str] = []
    bench.begin()
    bench.mail.put_state(bad, b"ON")
    bench.mail.put_expiring(ExpiringMessage(bad, b"", 1, False, 9.0, lost.append))
    bench.send()
    for number in bench.events():
        bench.sender.handle_answer(number)
    bench.send()
    assert bench.store.outbox_stats()[0] == 0
    assert bench.transport.topics().count(TOPIC) == 2
    assert bench.sender.unsendable + bench.store.removed == 1
    said = "\n".join([*bench.warnings, caplog.text])
    assert "event 2 for" in said or "message 2 that waited for the broker is removed" in said
    assert any("a state on" in line for line in bench.warnings)
    assert [why.partition(":")[0] for why in lost] == ["it cannot be sent"]
    assert all(len(line) < 250 for line in bench.warnings)


def test_a_refused_topic_does_not_hold_up_another(bench: SenderBench) -> None:
    """Also with many messages waiting behind it."""
    for number in range(300):
        record(bench.store, number, topic="tocsin/lamp/b/event" if number % 3 else TOPIC)
    bench.begin()
    answered = 0
    for _ in range(100):
        bench.send()
        for number in bench.events()[answered:]:
            topic = bench.transport.sent[number - 1][0]
            bench.sender.handle_answer(number, "Not authorized" if topic != TOPIC else "")
        answered = len(bench.events())
    assert bench.transport.topics().count(TOPIC) == 100
    assert bench.store.outbox_stats()[0] == 200
    assert list(bench.sender.refused) == ["tocsin/lamp/b/event"]
    assert bench.transport.topics().count("tocsin/lamp/b/event") <= WINDOW, "it is not offered again within the pause"
    assert bench.sender.delivered_all, "a stop does not wait for it"


def test_a_refusal_is_forgotten_when_nothing_of_its_topic_waits_any_more(bench: SenderBench) -> None:
    """The outbox may have dropped it meanwhile; the node becomes ready again."""
    record(bench.store, 1)
    bench.begin()
    bench.send()
    bench.sender.handle_answer(bench.events()[0], "Quota exceeded")
    bench.store.outbox_remove(1)
    bench.now_s = PAUSE_S + 1
    bench.send()
    assert bench.sender.refused == {}


def test_an_event_that_ends_the_connection_does_not_block_another(bench: SenderBench) -> None:
    """Without answers events are sent one by one, and the one at fault waits."""
    bad = "tocsin/lamp/b/event"
    for number, topic in enumerate([bad, bad, TOPIC, TOPIC]):
        record(bench.store, number, topic=topic)
    for _ in range(4):
        bench.begin()
        bench.send()
    assert list(bench.sender.refused) == [bad]
    assert "ends the connection" in bench.sender.refused[bad]
    assert bench.transport.topics().count(bad) == 0
    for number in bench.events():
        bench.sender.handle_answer(number)
    bench.send()
    assert bench.store.outbox_stats()[0] == 2
    assert not [row for row in bench.store.outbox_peek(0, 9) if row.topic == TOPIC]


def test_occasional_losses_accuse_no_event(bench: SenderBench) -> None:
    """A connection with an answer accuses no event."""
    for number in range(50):
        record(bench.store, number)
    for _ in range(10):
        bench.begin()
        bench.send()
        bench.sender.handle_answer(bench.events()[0])
    assert bench.sender.refused == {}
    assert bench.warnings == []


def test_an_event_that_is_too_long_for_a_broker_is_not_thrown_away(bench: SenderBench) -> None:
    """It waits as if it were refused; a broker's limit deletes nothing from the outbox."""
    for number in range(3):
        record(bench.store, number)
    bench.begin()
    bench.transport.longest = 20
    for _ in range(3):
        bench.send()
        bench.now_s += PAUSE_S
    assert bench.events() == []
    assert bench.sender.refused == {TOPIC: "it is too long"}
    assert bench.store.outbox_stats()[0] == 3
    bench.transport.longest = 1 << 20
    for answered in range(4):
        bench.send()
        for number in bench.events()[answered:]:
            bench.sender.handle_answer(number)
    assert bench.store.outbox_stats()[0] == 0
    assert len([line for line in bench.warnings if "refused an event" in line]) == 1
