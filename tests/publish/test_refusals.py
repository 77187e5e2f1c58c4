"""Order and completeness against a broker that changes its mind about topics, answers late, and goes away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.publish.refusals import PAUSE_S
from tests.publish.conftest import open_store, record
from tests.publish.desk import Desk

if TYPE_CHECKING:
    import pytest

    from edge.store import Store


class Delivery:
    """A desk, and the broker at the other end of its line."""

    def __init__(self, store: Store) -> None:
        self.desk = Desk(store)
        self.refused: set[str] = set()
        self.received: dict[str, list[bytes]] = {}
        self.recorded = 0
        self.lose("a")

    def record(self, name: str) -> None:
        self.recorded += 1
        record(self.desk.store, self.recorded, topic=f"{name}/event")
        self.desk.mail.notify_outbox()

    def send(self, _: str) -> None:
        self.desk.send()
        self.wire.extend(range(self.looked + 1, len(self.desk.line.sent) + 1))
        self.looked = len(self.desk.line.sent)

    def answer(self, _: str) -> None:
        if not self.wire:
            return
        number = self.wire.pop(0)
        topic, payload, _qos, retain = self.desk.line.sent[number - 1]
        denied = topic in self.refused
        if not denied and not retain:
            self.received.setdefault(topic, []).append(payload)
        self.desk.sender.handle_answer(number, "Not authorized" if denied else "")

    def lose(self, _: str) -> None:
        self.desk.begin()
        self.wire: list[int] = []
        self.looked = 0

    def change(self, name: str) -> None:
        """Refuse a topic from now on, or no more; what is on its way meanwhile could change places, so nothing is."""
        while self.wire:
            self.answer(name)
        self.refused ^= {f"{name}/event"}

    def wait(self, _: str) -> None:
        self.desk.now_s += PAUSE_S

    def finish(self) -> None:
        while self.wire:
            self.answer("")
        self.refused.clear()
        while self.desk.store.outbox_stats()[0]:
            self.wait("")
            self.send("")
            assert self.wire or not self.desk.store.outbox_stats()[0], "what waits must go"
            while self.wire:
                self.answer("")


STEPS = st.tuples(
    st.sampled_from(["record", "record", "send", "answer", "lose", "change", "wait"]), st.sampled_from("abc")
)


@given(st.lists(STEPS, max_size=60))
@settings(max_examples=25, deadline=None)
def test_all_arrives_in_the_order_of_its_topic(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str]]
) -> None:
    """Whatever is refused, lost or late meanwhile."""
    store = open_store(tmp_path_factory.mktemp("order"))
    delivery = Delivery(store)
    for step, name in steps:
        getattr(delivery, step)(name)
    delivery.finish()
    store.close()
    delivery.desk.mail.close()
    for payloads in delivery.received.values():
        sequences = [json.loads(payload)["sequence"] for payload in dict.fromkeys(payloads)]
        assert sequences == sorted(sequences)
    assert sum(len(set(payloads)) for payloads in delivery.received.values()) == delivery.recorded
