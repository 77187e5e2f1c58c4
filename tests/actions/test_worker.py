"""An action's queue and retries, with an attempt that does as it is told."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from edge.actions import worker
from edge.actions.occasion import Attempt, Occasion
from edge.actions.worker import QUEUE_MAX, Worker
from edge.backoff import Backoff
from edge.errors import ActionFailed
from edge.telemetry import Metrics
from tests.actions.conftest import WAIT_S, occasion
from tests.support.listener import until

if TYPE_CHECKING:
    from collections.abc import Iterator


class Told(Attempt):
    """Fails as often as it is told to, and waits at a gate."""

    tries, expire_s = 4, 30.0

    def __init__(self) -> None:
        self.failures: list[ActionFailed | ValueError] = []
        self.seen: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, occasion: Occasion, left_s: float) -> None:
        self.seen.append(occasion.event)
        assert self.gate.wait(WAIT_S)
        if self.failures:
            raise self.failures.pop(0)


class Desk:
    """A worker with all it works with."""

    def __init__(self) -> None:
        self.attempt, self.registry, self.results = Told(), CollectorRegistry(), list[str]()
        self.worker = Worker("lamp", self.attempt, Metrics(self.registry), lambda *told: self.results.append(told[2]))

    def count(self, metric: str) -> float | None:
        return self.registry.get_sample_value(f"tocsin_{metric}_total", {"label": "lamp"})


@pytest.fixture
def desk(quick: None) -> Iterator[Desk]:
    made = Desk()
    yield made
    made.attempt.gate.set()
    made.worker.stop()
    assert made.worker.join(WAIT_S)


def test_nobody_who_triggers_waits_and_the_oldest_that_wait_are_dropped(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """The first is under way; of the others as many as fit are kept, the newest."""
    desk.attempt.gate.clear()
    desk.worker.put(occasion("0"))
    until(lambda: desk.attempt.seen)
    for number in range(1, QUEUE_MAX + 4):
        desk.worker.put(occasion(str(number)))
    assert desk.count("actions_dropped") == 3
    desk.attempt.gate.set()
    until(lambda: len(desk.results) == QUEUE_MAX + 1)
    assert desk.attempt.seen == ["0", *map(str, range(4, QUEUE_MAX + 4))]
    assert "action lamp: 3 older dropped, because it is too slow for so many" in caplog.text


def test_a_failure_is_said_once_and_tried_until_it_works(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """The same words are not repeated."""
    caplog.set_level("INFO")
    desk.attempt.failures = [ActionFailed("gone"), ActionFailed("gone"), ActionFailed("busy")]
    desk.worker.put(occasion())
    until(lambda: desk.results)
    assert [record.getMessage() for record in caplog.records] == [
        "action lamp: gone; tried again",
        "action lamp: busy; tried again",
        "action lamp: carried out at try 4",
    ]
    assert (desk.count("actions"), desk.count("action_failures")) == (1, 0)


def test_a_wait_that_ends_too_late_is_not_begun(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """The other side asked for an hour."""
    desk.attempt.failures = [ActionFailed("busy", wait_s=3600)]
    desk.worker.put(occasion())
    until(lambda: desk.results)
    assert desk.results == ["busy"]
    assert "action lamp: busy; given up after 1 try" in caplog.text


def test_tries_are_spread_over_the_time_there_is(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first wait is short; the bounds of the others grow until the last reaches as far as `expire_s`."""
    waits: list[float] = []
    monkeypatch.setattr(desk.worker._stopping, "wait", waits.append)
    monkeypatch.setattr(worker, "_CAP_S", 600.0)
    monkeypatch.setattr(worker, "Backoff", partial(Backoff, draw=lambda low, high: (low + high) / 2))
    desk.attempt.failures = [ActionFailed("gone")] * 4
    assert desk.worker._carry_out(occasion(), time.monotonic() + desk.attempt.expire_s) == "gone"
    assert waits == pytest.approx([0.25, 0.25 * 60**0.5, 15.0], abs=0.1)
    waits.clear()
    desk.attempt.failures = [ActionFailed("gone")] * 4
    assert desk.worker._carry_out(occasion(), time.monotonic() + 2.0) == "gone"
    assert waits == pytest.approx([0.25, 1.0, 1.0], abs=0.1)


def test_a_fault_of_ours_ends_neither_thread_nor_service(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged with its traceback, and the next occasion is served."""
    desk.attempt.failures = [ValueError("a bug")]
    desk.worker.put(occasion())
    desk.worker.put(occasion())
    until(lambda: len(desk.results) == 2)
    assert desk.results == ["Tocsin itself failed; see the log lines above", ""]
    assert "a bug" in caplog.text


def test_whoever_is_told_and_fails_ends_nothing(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Being told is no part of the action."""

    def fail(*told: Any) -> None:
        raise ValueError

    desk.worker._on_result = fail
    desk.worker.put(occasion())
    desk.worker.put(occasion())
    until(lambda: desk.count("actions") == 2)
    assert "whoever is told of action lamp failed" in caplog.text
