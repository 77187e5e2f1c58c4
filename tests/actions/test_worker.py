"""Queue and retries of an action, with a scripted executor."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from edge.actions import worker
from edge.actions.trigger import Executor, Trigger
from edge.actions.worker import QUEUE_MAX, Worker
from edge.backoff import Backoff
from edge.errors import ActionFailed
from edge.telemetry import Metrics
from tests.actions.conftest import WAIT_S, trigger
from tests.support.listener import until

if TYPE_CHECKING:
    from collections.abc import Iterator


class ScriptedExecutor(Executor):
    """An executor that raises given failures, and waits for an event."""

    tries, expire_s = 4, 30.0

    def __init__(self) -> None:
        self.failures: list[ActionFailed | ValueError] = []
        self.seen: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, trigger: Trigger, left_s: float) -> None:
        self.seen.append(trigger.pattern)
        assert self.gate.wait(WAIT_S)
        if self.failures:
            raise self.failures.pop(0)


class WorkerBench:
    """A worker with its dependencies."""

    def __init__(self) -> None:
        self.executor, self.registry, self.results = ScriptedExecutor(), CollectorRegistry(), list[str]()
        self.worker = Worker("lamp", self.executor, Metrics(self.registry), lambda *told: self.results.append(told[2]))

    def count(self, metric: str) -> float | None:
        return self.registry.get_sample_value(f"tocsin_{metric}_total", {"label": "lamp"})


@pytest.fixture
def bench(quick: None) -> Iterator[WorkerBench]:
    made = WorkerBench()
    yield made
    made.executor.gate.set()
    made.worker.stop()
    assert made.worker.join(WAIT_S)


def test_a_trigger_does_not_wait_and_the_oldest_are_dropped(
    bench: WorkerBench, caplog: pytest.LogCaptureFixture
) -> None:
    """While the first is executed, the newest of the others are kept."""
    bench.executor.gate.clear()
    bench.worker.put(trigger("0"))
    until(lambda: bench.executor.seen)
    for number in range(1, QUEUE_MAX + 4):
        bench.worker.put(trigger(str(number)))
    assert bench.count("actions_dropped") == 3
    bench.executor.gate.set()
    until(lambda: len(bench.results) == QUEUE_MAX + 1)
    assert bench.executor.seen == ["0", *map(str, range(4, QUEUE_MAX + 4))]
    assert "action lamp: 3 older triggers dropped because the action is too slow" in caplog.text


def test_a_failure_is_logged_once_and_tried_until_it_works(
    bench: WorkerBench, caplog: pytest.LogCaptureFixture
) -> None:
    """A repeated reason is not logged again."""
    caplog.set_level("INFO")
    bench.executor.failures = [ActionFailed("gone"), ActionFailed("gone"), ActionFailed("busy")]
    bench.worker.put(trigger())
    until(lambda: bench.results)
    assert [record.getMessage() for record in caplog.records] == [
        "action lamp: gone; tried again",
        "action lamp: busy; tried again",
        "action lamp: succeeded at try 4",
    ]
    assert (bench.count("actions"), bench.count("action_failures")) == (1, 0)


def test_a_wait_that_ends_too_late_is_not_begun(bench: WorkerBench, caplog: pytest.LogCaptureFixture) -> None:
    """The server asked for an hour."""
    bench.executor.failures = [ActionFailed("busy", wait_s=3600)]
    bench.worker.put(trigger())
    until(lambda: bench.results)
    assert bench.results == ["busy"]
    assert "action lamp: busy; given up after 1 try" in caplog.text


def test_tries_are_spread_over_the_time_there_is(bench: WorkerBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first wait is short; the bounds of the others grow until the last reaches `expire_s`."""
    waits: list[float] = []
    monkeypatch.setattr(bench.worker._stopping, "wait", waits.append)
    monkeypatch.setattr(worker, "_CAP_S", 600.0)
    monkeypatch.setattr(worker, "Backoff", partial(Backoff, draw=lambda low, high: (low + high) / 2))
    bench.executor.failures = [ActionFailed("gone")] * 4
    assert bench.worker._execute(trigger(), time.monotonic() + bench.executor.expire_s) == "gone"
    assert waits == pytest.approx([0.25, 0.25 * 60**0.5, 15.0], abs=0.1)
    waits.clear()
    bench.executor.failures = [ActionFailed("gone")] * 4
    assert bench.worker._execute(trigger(), time.monotonic() + 2.0) == "gone"
    assert waits == pytest.approx([0.25, 1.0, 1.0], abs=0.1)


def test_a_programming_error_ends_neither_thread_nor_service(
    bench: WorkerBench, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged with its traceback, and the next trigger is served."""
    bench.executor.failures = [ValueError("a bug")]
    bench.worker.put(trigger())
    bench.worker.put(trigger())
    until(lambda: len(bench.results) == 2)
    assert bench.results == ["Tocsin itself failed; see the log lines above", ""]
    assert "a bug" in caplog.text


def test_a_failing_listener_ends_nothing(bench: WorkerBench, caplog: pytest.LogCaptureFixture) -> None:
    """A failing listener does not change the result."""

    def fail(*told: Any) -> None:
        raise ValueError

    bench.worker._on_result = fail
    bench.worker.put(trigger())
    bench.worker.put(trigger())
    until(lambda: bench.count("actions") == 2)
    assert "the listener for results of action lamp failed" in caplog.text
