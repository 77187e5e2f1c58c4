"""Reactions of a node to patterns, and its away mode."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from edge.clock import parse_rfc3339
from edge.errors import UsageError
from edge.node.reactions import Reactions
from edge.publish.payload import Stamp
from edge.settings.tree import Settings
from edge.systemd import is_clock_synced
from edge.telemetry import Metrics
from edge.types import Pattern
from tests.support.messages import make_messages

if TYPE_CHECKING:
    from collections.abc import Callable

STATE, CLAP = "tocsin/n/away/state", "tocsin/n/mic/clap"
DOUBLE = Pattern("double", (16_000, 24_000), 36_800, 0.9)
SOUND = Pattern("sound", (16_000,), 20_000, 0.9)


@dataclass
class FakeOutputs:
    """Publisher, store and recorder, with a record of their calls."""

    states: list[str] = field(default_factory=list)
    soon: list[dict[str, Any]] = field(default_factory=list)
    recorded: list[tuple[str | None, dict[str, Any], bytes]] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    armed: int = 0
    hold: Callable[[], None] = lambda: None

    def set_state(self, topic: str, payload: str) -> None:
        assert topic == STATE
        self.hold()
        self.states.append(payload)

    def publish_expiring(self, topic: str, payload: bytes, **_: Any) -> None:
        assert topic == CLAP
        self.soon.append(json.loads(payload))

    def wake(self) -> None:
        """Send nothing."""

    def put_pattern(self, make: Any, *, topic: str | None, body: Any, on_recorded: Any) -> None:
        event = make(Stamp("id", 1, datetime.now(timezone.utc)))
        self.recorded.append((topic, event, body(event)))
        on_recorded()

    def state_get(self, key: str) -> str | None:
        return self.kept.get(key)

    def state_set(self, key: str, value: str) -> None:
        self.kept[key] = value

    def on_armed(self) -> None:
        self.armed += 1


def start(outputs: FakeOutputs, **away: Any) -> Reactions:
    """Return started reactions with these settings of the away mode."""
    parts: Any = outputs
    settings = Settings.model_validate({"away": {"arming_s": 0, **away}})
    reactions = Reactions(
        settings,
        make_messages(settings),
        publisher=parts,
        store=parts,
        recorder=parts,
        metrics=Metrics(CollectorRegistry()),
        on_armed=outputs.on_armed,
    )
    reactions.start()
    return reactions


def take(reactions: Reactions, pattern: Pattern) -> None:
    """Pass a pattern to the reactions."""
    reactions.take_pattern("mic", pattern, lambda index: datetime.fromtimestamp(index / 16_000, timezone.utc))


def test_a_pattern_is_sent_at_once_and_recorded_unless_suppressed() -> None:
    """Its message does not wait in the outbox, where it could be sent an hour later."""
    outputs = FakeOutputs()
    reactions = start(outputs)
    take(reactions, Pattern("double", (16_000, 24_000), 36_800, 0.9, reason="applause"))
    assert (outputs.soon, outputs.recorded) == ([], [])
    take(reactions, DOUBLE)
    (sent,), ((topic, event, _),) = outputs.soon, outputs.recorded
    assert sent == {
        "event_type": "double", "time": "1970-01-01T00:00:01.500Z", "intervals_ms": [500], "confidence": 0.9,
    }  # fmt: skip
    assert topic is None
    assert event["subject"] == "double"


def test_a_sound_is_recorded_for_the_outbox_while_armed() -> None:
    """The callback for arming is called once."""
    outputs = FakeOutputs()
    reactions = start(outputs)
    take(reactions, SOUND)
    assert outputs.recorded == []
    assert reactions.set_away(True)["armed"] is True
    reactions.tick()
    assert outputs.armed == 1
    take(reactions, SOUND)
    ((topic, _, message),) = outputs.recorded
    assert topic == CLAP
    assert json.loads(message)["event_type"] == "sound"
    assert json.loads(message)["clock_synced"] is is_clock_synced()
    assert outputs.soon == []
    reactions.set_away(False)
    take(reactions, SOUND)
    assert len(outputs.recorded) == 1


def test_the_away_mode_is_restored_and_published_after_a_restart() -> None:
    """The state in the store is published at the start."""
    outputs = FakeOutputs()
    start(outputs).set_away(True)
    outputs.states.clear()
    assert start(outputs).describe_away()["state"] == "ON"
    assert outputs.states == ["ON"]


@pytest.mark.parametrize("step_s", [4 * 365 * 86_400.0, -3600.0])
def test_a_step_of_the_clock_does_not_change_a_delay(monkeypatch: pytest.MonkeyPatch, step_s: float) -> None:
    """The mode is armed at the end of its delay, and stored with the new time."""
    now = datetime(2026, 1, 1, tzinfo=timezone.utc)
    monkeypatch.setattr("edge.node.reactions.datetime", SimpleNamespace(now=lambda _: now))
    outputs = FakeOutputs()
    reactions = start(outputs, arming_s=60)
    wall = reactions._clock._wall
    reactions.set_away(True)
    now += timedelta(seconds=step_s)
    monkeypatch.setattr(reactions._clock, "_wall", lambda: wall() + step_s)
    reactions.tick()
    until, kept = reactions.describe_away()["arming_until"], json.loads(outputs.kept["away"])["at"]
    near = timedelta(milliseconds=50)
    assert abs(parse_rfc3339(until) - now - timedelta(seconds=60)) < near
    assert abs(parse_rfc3339(kept) - now) < near


def test_a_node_without_the_mode_publishes_nothing_and_refuses_the_switch() -> None:
    """A state retained by an earlier configuration is cleared elsewhere."""
    outputs = FakeOutputs()
    reactions = start(outputs, enabled=False)
    assert outputs.states == []
    with pytest.raises(UsageError, match=r"away\.enabled = true"):
        reactions.set_away(True)


def test_a_tick_does_not_undo_a_switch() -> None:
    """A tick that read the state before a switch publishes it before the switch does."""
    outputs = FakeOutputs()
    reactions = start(outputs)
    ticking, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        outputs.hold = lambda: None
        ticking.set()
        assert go_on.wait(10)

    outputs.hold = hold
    watcher = threading.Thread(target=reactions.tick)
    switcher = threading.Thread(target=reactions.set_away, args=(True,))
    watcher.start()
    assert ticking.wait(10)
    switcher.start()
    switcher.join(0.1)  # it would be done by now if it did not wait
    go_on.set()
    watcher.join(10)
    switcher.join(10)
    assert outputs.states[-1] == "ON"
