"""States at which the broker hangs up, told by a line that is lost at them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from edge.publish.suspects import CALM_S, PAUSE_S
from tests.publish.conftest import TOPIC, record
from tests.publish.sender_bench import SenderBench

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge.store import Store

STATES = ("info", "mic/status", "door/status", "mic/sound/siren", "door/sound/siren")


@dataclass
class Broker:
    """Ends the line at some topics, and may answer first."""

    bench: SenderBench
    forbidden: set[str]
    answers_first: bool = False
    kept: set[str] = field(default_factory=set)
    connections: int = 0

    def connect(self, *, turns: int = 30) -> bool:
        """Carry one line; return whether it was not lost."""
        bench = self.bench
        self.connections += 1
        bench.begin()
        seen = 0
        for _ in range(turns):
            bench.send()
            while seen < len(bench.transport.sent):
                topic = bench.transport.sent[seen][0]
                seen += 1
                if topic not in self.forbidden or self.answers_first:
                    bench.sender.handle_answer(seen)
                if topic in self.forbidden:
                    bench.sender.end()
                    bench.now_s += 20.0
                    return False
                self.kept.add(topic)
            bench.now_s += 1.0
        return True

    def connect_until_stable(self) -> None:
        """Carry lines until one lasts."""
        while not self.connect():
            assert self.connections < 30


@pytest.fixture
def make_broker(store: Store) -> Iterator[Callable[..., Broker]]:
    """Return what makes a broker that hangs up at some topics, and a node with its states and two events."""
    bench = SenderBench(store)
    for topic in STATES:
        bench.mail.put_state(topic, b"x")
    for number in range(2):
        record(store, number)
    yield lambda *forbidden, **about: Broker(bench, set(forbidden), **about)
    bench.mail.close()


@pytest.mark.parametrize("answers_first", [True, False])
@pytest.mark.parametrize("forbidden", [["info"], ["door/sound/siren"], ["info", "door/status", "door/sound/siren"]])
def test_all_others_arrive(forbidden: list[str], answers_first: bool, make_broker: Callable[..., Broker]) -> None:
    """The events, too; and each that is withheld is named once."""
    broker = make_broker(*forbidden, answers_first=answers_first)
    broker.connect_until_stable()
    assert broker.kept == {*STATES, "status", TOPIC} - set(forbidden)
    assert [line.split()[9].rstrip(",") for line in broker.bench.warnings] == forbidden


def test_events_do_not_wait_for_the_search(make_broker: Callable[..., Broker]) -> None:
    """They are there before the first state is withheld."""
    broker = make_broker("info")
    while TOPIC not in broker.kept:
        broker.connect()
    assert broker.bench.warnings == []


def test_it_is_offered_again_and_all_follow_once_they_may(make_broker: Callable[..., Broker]) -> None:
    """One a while, at the cost of a line; nothing more is said of it."""
    broker = make_broker("info", "mic/status")
    broker.connect_until_stable()
    said = len(broker.bench.warnings)
    broker.bench.now_s += PAUSE_S
    assert not broker.connect(turns=90)
    assert broker.connect()
    broker.forbidden.clear()
    broker.bench.now_s += PAUSE_S
    assert broker.connect(turns=90)
    assert broker.kept >= {"info", "mic/status"}
    assert len(broker.bench.warnings) == said
    broker.connect(turns=3)
    assert len(broker.bench.transport.sent) == len(STATES) + 1, "they go at once again"


def test_a_line_that_is_lost_later_blames_nobody(make_broker: Callable[..., Broker]) -> None:
    """Be it again and again: each has outlived every state, and a state that was on its way is no reason."""
    broker = make_broker()
    bench = broker.bench
    for number in range(9):
        assert broker.connect(turns=3)
        bench.mail.put_state("mic/sound/siren", b"ON%d" % number)
        bench.send()
        bench.sender.end()
    assert bench.warnings == []


def test_a_line_that_is_lost_anywhere_blames_nobody(make_broker: Callable[..., Broker]) -> None:
    """As by a rival for the name: only the same state twice is no accident."""
    broker = make_broker()
    for number in range(30):
        broker.forbidden = {STATES[number % len(STATES)]}
        broker.connect()
    assert broker.bench.warnings == []


def test_whatever_was_answered_a_while_before_is_not_to_blame(make_broker: Callable[..., Broker]) -> None:
    """The line went on after it."""
    broker = make_broker()
    bench = broker.bench
    for _ in range(9):
        bench.begin()
        bench.send()
        for number in range(1, len(bench.transport.sent) + 1):
            bench.sender.handle_answer(number)
        bench.now_s += 2 * CALM_S
        bench.sender.end()
    assert bench.warnings == []
