"""Order and completeness with a broker that changes its rules, answers late, and disconnects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.publish.refusals import PAUSE_S
from tests.publish.conftest import open_store, record
from tests.publish.sender_bench import SenderBench

if TYPE_CHECKING:
    import pytest

    from edge.store import Store


class Delivery:
    """A sender bench and a simulated broker."""

    def __init__(self, store: Store) -> None:
        self.bench = SenderBench(store)
        self.refused: set[str] = set()
        self.received: dict[str, list[bytes]] = {}
        self.recorded = self.looked = 0
        self.wire: list[int] = []
        self.lose("a")

    def record(self, name: str) -> None:
        self.recorded += 1
        record(self.bench.store, self.recorded, topic=f"{name}/event")
        self.bench.mail.notify_outbox()

    def send(self, _: str) -> None:
        self.bench.send()
        self.wire.extend(range(self.looked + 1, len(self.bench.transport.sent) + 1))
        self.looked = len(self.bench.transport.sent)

    def answer(self, _: str) -> None:
        if not self.wire:
            return
        number = self.wire.pop(0)
        topic, payload, _qos, retain = self.bench.transport.sent[number - 1]
        denied = topic in self.refused
        if not denied and not retain:
            self.received.setdefault(topic, []).append(payload)
        self.bench.sender.handle_answer(number, "Not authorized" if denied else "")

    def lose(self, _: str) -> None:
        self.bench.begin()
        self.wire.clear()
        self.looked = 0

    def change(self, name: str) -> None:
        """Refuse a topic from now on, or accept it again, while nothing is in flight."""
        while self.wire:
            self.answer(name)
        self.refused ^= {f"{name}/event"}

    def wait(self, _: str) -> None:
        self.bench.now_s += PAUSE_S

    def finish(self) -> None:
        while self.wire:
            self.answer("")
        self.refused.clear()
        while self.bench.store.outbox_stats()[0]:
            self.wait("")
            self.send("")
            assert self.wire or not self.bench.store.outbox_stats()[0], "what waits must go"
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
    """Also after refusals, lost connections and late answers."""
    store = open_store(tmp_path_factory.mktemp("order"))
    delivery = Delivery(store)
    for step, name in steps:
        getattr(delivery, step)(name)
    delivery.finish()
    store.close()
    delivery.bench.mail.close()
    for payloads in delivery.received.values():
        sequences = [json.loads(payload)["sequence"] for payload in dict.fromkeys(payloads)]
        assert sequences == sorted(sequences)
    assert sum(len(set(payloads)) for payloads in delivery.received.values()) == delivery.recorded
