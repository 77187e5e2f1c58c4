"""The search for states at which the broker ends the connection."""

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
    """A simulated broker that ends the connection at forbidden topics, with or without an answer."""

    bench: SenderBench
    forbidden: set[str]
    answers_first: bool = False
    kept: set[str] = field(default_factory=set)
    connections: int = 0

    def connect(self, *, turns: int = 30) -> bool:
        """Run one connection; return whether it lasted."""
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
        """Run connections until one lasts."""
        while not self.connect():
            assert self.connections < 30


@pytest.fixture
def make_broker(store: Store) -> Iterator[Callable[..., Broker]]:
    """Return the factory of a broker with forbidden topics, for a node with its states and two events."""
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
    """Events and allowed states arrive; each withheld state is logged once."""
    broker = make_broker(*forbidden, answers_first=answers_first)
    broker.connect_until_stable()
    assert broker.kept == {*STATES, "status", TOPIC} - set(forbidden)
    assert [line.split()[9].rstrip(",") for line in broker.bench.warnings] == forbidden


def test_events_do_not_wait_for_the_search(make_broker: Callable[..., Broker]) -> None:
    """Events arrive before the first state is withheld."""
    broker = make_broker("info")
    while TOPIC not in broker.kept:
        broker.connect()
    assert broker.bench.warnings == []


def test_it_is_offered_again_and_all_follow_once_they_may(make_broker: Callable[..., Broker]) -> None:
    """One state per pause, at the cost of a connection; nothing more is logged."""
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


def test_a_later_loss_accuses_no_state(make_broker: Callable[..., Broker]) -> None:
    """Connections that survived all states accuse none, also when they are lost repeatedly."""
    broker = make_broker()
    bench = broker.bench
    for number in range(9):
        assert broker.connect(turns=3)
        bench.mail.put_state("mic/sound/siren", b"ON%d" % number)
        bench.send()
        bench.sender.end()
    assert bench.warnings == []


def test_losses_at_different_states_accuse_none(make_broker: Callable[..., Broker]) -> None:
    """Only two losses in a row at the same state accuse it."""
    broker = make_broker()
    for number in range(30):
        broker.forbidden = {STATES[number % len(STATES)]}
        broker.connect()
    assert broker.bench.warnings == []


def test_a_state_answered_a_while_before_is_not_accused(make_broker: Callable[..., Broker]) -> None:
    """The connection survived the answered states."""
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
