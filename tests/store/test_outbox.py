"""The outbox: messages stay until they are acknowledged."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edge.store import OutboxRow, Store
from tests.store.messages import TOPIC, sound

if TYPE_CHECKING:
    from tests.store.conftest import OpenStore

OUTBOX_MAX = 8


def waiting(store: Store) -> list[int]:
    """Return the sequences in the outbox."""
    return [row.sequence for row in store.outbox_peek(0, 1000)]


def test_a_message_waits_as_it_was_written(store: Store) -> None:
    """A row has the topic and the CloudEvent, byte for byte as it will be sent."""
    message = store.record(sound("a"), topic=TOPIC)
    (row,) = store.outbox_peek(0, 10)
    assert row == OutboxRow(1, TOPIC, row.payload)
    assert json.loads(row.payload) == message


def test_without_a_topic_nothing_waits(store: Store) -> None:
    """A node without a broker fills no outbox."""
    store.record(sound("a"), topic=None)
    assert (waiting(store), store.outbox_stats()) == ([], (0, 0.0))


def test_only_what_is_acknowledged_goes(store: Store) -> None:
    """Acknowledged rows are removed one by one, in any order, and once."""
    for i in range(4):
        store.record(sound(f"e{i}"), topic=TOPIC)
    for sequence in (3, 1, 1, 99):
        store.outbox_remove(sequence)
    assert waiting(store) == [2, 4]
    assert [row.sequence for row in store.outbox_peek(2, 10)] == [4]
    assert [row.sequence for row in store.outbox_peek(0, 1)] == [2]


class Clocks:
    """A wall clock that can be set, and a monotonic clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, wall_s: float) -> None:
        self.running_s, self.wall_s = 500.0, wall_s
        monkeypatch.setattr("edge.store.age.running_s", lambda: self.running_s)
        monkeypatch.setattr("time.time", lambda: self.wall_s)

    def go_on(self, seconds: float) -> None:
        self.running_s += seconds
        self.wall_s += seconds


def test_the_age_of_the_oldest_message_is_reported(open_store: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of messages and the age of the oldest, also over a restart."""
    clocks = Clocks(monkeypatch, 1.8e9)
    store = open_store()
    assert store.outbox_stats() == (0, 0.0)
    for name in "ab":
        store.record(sound(name), topic=TOPIC)
        clocks.go_on(30.0)
    assert store.outbox_stats() == (2, 60.0)
    store.outbox_remove(1)
    assert store.outbox_stats() == (1, 30.0)
    store.close()
    clocks.go_on(3600.0)
    assert open_store().outbox_stats() == (1, 3630.0)


@pytest.mark.parametrize("begin_s", [9.0, 1.8e9, 1.9e9])
@pytest.mark.parametrize("restart", [True, False])
def test_a_clock_that_is_set_makes_no_message_old(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, begin_s: float, restart: bool
) -> None:
    """Setting the wall clock changes the age of no known message."""
    clocks = Clocks(monkeypatch, begin_s)
    store = open_store()
    for name in "ab":
        store.record(sound(name), topic=TOPIC)
        clocks.go_on(10.0)
    if restart:
        store.close()
        store = open_store()
    assert store.outbox_stats()[1] == (0.0 if restart and begin_s == 9.0 else 20.0)
    clocks.wall_s = 1.85e9
    clocks.go_on(300.0)
    assert 300.0 <= store.outbox_stats()[1] <= 320.0
    store.outbox_remove(1)
    if begin_s == 9.0:
        assert store.outbox_stats()[1] <= 320.0


def test_when_too_much_waits_the_oldest_goes(open_store: OpenStore, caplog: pytest.LogCaptureFixture) -> None:
    """A full outbox drops the oldest message, counts it, and logs it once until it was empty."""
    store = open_store(outbox_max=3)
    for i in range(6):
        store.record(sound(f"e{i}"), topic=TOPIC)
    assert (waiting(store), store.outbox_dropped, store.outbox_stats()[0]) == ([4, 5, 6], 3, 3)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    for sequence in (4, 5, 6):
        store.outbox_remove(sequence)
    for i in range(4):
        store.record(sound(f"f{i}"), topic=TOPIC)
    assert (waiting(store), store.outbox_dropped, len(caplog.records)) == ([8, 9, 10], 4, 2)
    assert len(store.events().items) == 10


def test_a_smaller_limit_holds_from_the_next_message(open_store: OpenStore) -> None:
    """A limit lowered between two runs applies."""
    store = open_store()
    for i in range(6):
        store.record(sound(f"e{i}"), topic=TOPIC)
    store.close()
    store = open_store(outbox_max=3)
    assert store.outbox_stats()[0] == 6
    store.record(sound("e6"), topic=TOPIC)
    assert (waiting(store), store.outbox_stats()[0]) == ([5, 6, 7], 3)


class OutboxMachine(RuleBasedStateMachine):
    """A state machine that compares the outbox with a list."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._model: list[int] = []
        self._recorded = 0
        self._open()

    def _open(self) -> None:
        self._store = Store(
            Path(self._folder.name), retention_days=1.0, max_events=1000, outbox_max=OUTBOX_MAX, clips_max_mb=1
        )

    @rule(queued=st.booleans())
    def record(self, queued: bool) -> None:
        """Write a message, for the broker or not."""
        self._recorded += 1
        made = self._store.record(sound(f"e{self._recorded}"), topic=TOPIC if queued else None)
        assert int(made["sequence"]) == self._recorded
        if queued:
            self._model = [*self._model, self._recorded][-OUTBOX_MAX:]

    @rule(sequence=st.integers(1, 30))
    def done(self, sequence: int) -> None:
        """Remove a message, whether it waits or not."""
        self._store.outbox_remove(sequence)
        self._model = [each for each in self._model if each != sequence]

    @rule()
    def restart(self) -> None:
        """Close and open again."""
        self._store.close()
        self._open()

    @rule(now=st.sampled_from([0.0, 1e12]))
    def maintain(self, now: float) -> None:
        """Run the upkeep of the history, which must not change the outbox."""
        self._store.maintain(now)

    @invariant()
    def agrees(self) -> None:
        """Compare the outbox and its order with the list."""
        assert waiting(self._store) == self._model
        assert self._store.outbox_stats()[0] == len(self._model)
        assert self._store.latest_sequence() == self._recorded

    def teardown(self) -> None:
        """Close."""
        self._store.close()
        self._folder.cleanup()


OutboxMachine.TestCase.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
TestOutbox = OutboxMachine.TestCase
