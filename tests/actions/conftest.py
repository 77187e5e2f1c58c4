"""Fixtures: an action runner and its results."""

from __future__ import annotations

import queue
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry
from pydantic import TypeAdapter

from edge.actions import worker
from edge.actions.runner import ActionRunner
from edge.actions.trigger import Trigger
from edge.publish.publisher import NullPublisher
from edge.settings.actions import Action
from edge.telemetry import Metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.actions.mqtt import ActionBroker

WAIT_S = 10.0


def action(**values: Any) -> Action:
    """Return an action as it would come from the configuration."""
    return TypeAdapter(Action).validate_python(values)


def trigger(pattern: str = "double", **changes: Any) -> Trigger:
    values: dict[str, Any] = {
        "pattern": pattern,
        "source": "mic",
        "time": datetime.now(timezone.utc),
        "confidence": 0.91234,
        "intervals_ms": [310],
    }
    return Trigger(**{**values, **changes})


@dataclass
class Bench:
    """A runner with actions, and their results in order."""

    actions: dict[str, Action]
    broker: ActionBroker = field(default_factory=NullPublisher)
    results: queue.Queue[tuple[str, Trigger, str]] = field(default_factory=queue.Queue)

    def __post_init__(self) -> None:
        self.registry = CollectorRegistry()
        self.runner = ActionRunner(
            self.actions,
            node="lamp",
            broker=self.broker,
            metrics=Metrics(self.registry),
            on_result=lambda *result: self.results.put(result),
        )
        self.runner.start()

    def run(self, name: str, heard: Trigger | None = None) -> str:
        """Run an action; return the reason of its failure, or nothing."""
        self.runner.run([name], heard or trigger())
        return self.result()

    def result(self) -> str:
        return self.results.get(timeout=WAIT_S)[2]

    def counts(self, name: str) -> tuple[float, ...]:
        """Return how often an action succeeded, failed, and was dropped."""
        names = ("tocsin_actions_total", "tocsin_action_failures_total", "tocsin_actions_dropped_total")
        return tuple(self.registry.get_sample_value(metric, {"label": name}) or 0.0 for metric in names)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the waits between tries very short."""
    monkeypatch.setattr(worker, "_CAP_S", 0.01)


@pytest.fixture
def bench(quick: None) -> Iterator[Any]:
    made: list[Bench] = []

    def make(broker: ActionBroker | None = None, **actions: Action) -> Bench:
        made.append(Bench(actions, broker or NullPublisher()))
        return made[-1]

    yield make
    for one in made:
        one.runner.stop(1.0)
