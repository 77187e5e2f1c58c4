"""States at which the broker hangs up, told by a line that is lost at them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from edge.publish.suspects import CALM_S, PAUSE_S
from tests.publish.conftest import TOPIC, record
from tests.publish.desk import Desk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge.store import Store

STATES = ("info", "mic/status", "door/status", "mic/sound/siren", "door/sound/siren")


@dataclass
class Broker:
    """Ends the line at some topics, and may answer first."""

    desk: Desk
    hates: set[str]
    answers_first: bool = False
    kept: set[str] = field(default_factory=set)
    lines: int = 0

    def line(self, *, turns: int = 30) -> bool:
        """Carry one line; return whether it was not lost."""
        desk = self.desk
        self.lines += 1
        desk.begin()
        seen = 0
        for _ in range(turns):
            desk.send()
            while seen < len(desk.line.sent):
                topic = desk.line.sent[seen][0]
                seen += 1
                if topic not in self.hates or self.answers_first:
                    desk.sender.handle_answer(seen)
                if topic in self.hates:
                    desk.sender.end()
                    desk.now_s += 20.0
                    return False
                self.kept.add(topic)
            desk.now_s += 1.0
        return True

    def settle(self) -> None:
        """Carry lines until one lasts."""
        while not self.line():
            assert self.lines < 30


@pytest.fixture
def meet(store: Store) -> Iterator[Callable[..., Broker]]:
    """Return what makes a broker that hangs up at some topics, and a node with its states and two events."""
    desk = Desk(store)
    for topic in STATES:
        desk.mail.put_state(topic, b"x")
    for number in range(2):
        record(store, number)
    yield lambda *hates, **about: Broker(desk, set(hates), **about)
    desk.mail.close()


@pytest.mark.parametrize("answers_first", [True, False])
@pytest.mark.parametrize("hates", [["info"], ["door/sound/siren"], ["info", "door/status", "door/sound/siren"]])
def test_all_others_arrive(hates: list[str], answers_first: bool, meet: Callable[..., Broker]) -> None:
    """The events, too; and each that is withheld is named once."""
    broker = meet(*hates, answers_first=answers_first)
    broker.settle()
    assert broker.kept == {*STATES, "status", TOPIC} - set(hates)
    assert [line.split()[9].rstrip(",") for line in broker.desk.said] == hates


def test_events_do_not_wait_for_the_search(meet: Callable[..., Broker]) -> None:
    """They are there before the first state is withheld."""
    broker = meet("info")
    while TOPIC not in broker.kept:
        broker.line()
    assert broker.desk.said == []


def test_it_is_offered_again_and_all_follow_once_they_may(meet: Callable[..., Broker]) -> None:
    """One a while, at the cost of a line; nothing more is said of it."""
    broker = meet("info", "mic/status")
    broker.settle()
    said = len(broker.desk.said)
    broker.desk.now_s += PAUSE_S
    assert not broker.line(turns=90)
    assert broker.line()
    broker.hates.clear()
    broker.desk.now_s += PAUSE_S
    assert broker.line(turns=90)
    assert broker.kept >= {"info", "mic/status"}
    assert len(broker.desk.said) == said
    broker.line(turns=3)
    assert len(broker.desk.line.sent) == len(STATES) + 1, "they go at once again"


def test_a_line_that_is_lost_later_blames_nobody(meet: Callable[..., Broker]) -> None:
    """Be it again and again: each has outlived every state, and a state that was on its way is no reason."""
    broker = meet()
    desk = broker.desk
    for number in range(9):
        assert broker.line(turns=3)
        desk.mail.put_state("mic/sound/siren", b"ON%d" % number)
        desk.send()
        desk.sender.end()
    assert desk.said == []


def test_a_line_that_is_lost_anywhere_blames_nobody(meet: Callable[..., Broker]) -> None:
    """As by a rival for the name: only the same state twice is no accident."""
    broker = meet()
    for number in range(30):
        broker.hates = {STATES[number % len(STATES)]}
        broker.line()
    assert broker.desk.said == []


def test_whatever_was_answered_a_while_before_is_not_to_blame(meet: Callable[..., Broker]) -> None:
    """The line went on after it."""
    broker = meet()
    desk = broker.desk
    for _ in range(9):
        desk.begin()
        desk.send()
        for number in range(1, len(desk.line.sent) + 1):
            desk.sender.handle_answer(number)
        desk.now_s += 2 * CALM_S
        desk.sender.end()
    assert desk.said == []
