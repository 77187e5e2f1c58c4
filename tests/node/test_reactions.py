"""What a node does about patterns and its away mode, between the engine and everybody who is told."""

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
from edge.systemd import clock_synced
from edge.telemetry import Metrics
from edge.types import Pattern
from tests.support.messages import make_messages

if TYPE_CHECKING:
    from collections.abc import Callable

STATE, CLAP = "tocsin/n/away/state", "tocsin/n/mic/clap"
DOUBLE = Pattern("double", (16_000, 24_000), 36_800, 0.9)
HEARD = Pattern("sound", (16_000,), 20_000, 0.9)


@dataclass
class Around:
    """Everybody that reactions tell, and what they were told."""

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
        """Nothing is sent."""

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


def started(around: Around, **away: Any) -> Reactions:
    broker: Any = around
    settings = Settings.model_validate({"away": {"arming_s": 0, **away}})
    reactions = Reactions(
        settings,
        make_messages(settings),
        publisher=broker,
        store=broker,
        recorder=broker,
        metrics=Metrics(CollectorRegistry()),
        on_armed=around.on_armed,
    )
    reactions.start()
    return reactions


def hear(reactions: Reactions, pattern: Pattern) -> None:
    reactions.heard("mic", pattern, lambda index: datetime.fromtimestamp(index / 16_000, timezone.utc))


def test_a_pattern_is_sent_at_once_and_kept_and_a_suppressed_one_is_neither() -> None:
    """Its message does not go through the outbox, where it could arrive an hour later."""
    around = Around()
    reactions = started(around)
    hear(reactions, Pattern("double", (16_000, 24_000), 36_800, 0.9, reason="applause"))
    assert (around.soon, around.recorded) == ([], [])
    hear(reactions, DOUBLE)
    (sent,), ((topic, event, _),) = around.soon, around.recorded
    assert sent == {
        "event_type": "double", "time": "1970-01-01T00:00:01.500Z", "intervals_ms": [500], "confidence": 0.9,
    }  # fmt: skip
    assert topic is None
    assert event["subject"] == "double"


def test_a_sound_is_reported_while_it_listens_and_through_the_outbox() -> None:
    """Whoever is told that it began to listen is told once."""
    around = Around()
    reactions = started(around)
    hear(reactions, HEARD)
    assert around.recorded == []
    assert reactions.set_away(True)["armed"] is True
    reactions.tick()
    assert around.armed == 1
    hear(reactions, HEARD)
    ((topic, _, message),) = around.recorded
    assert topic == CLAP
    assert json.loads(message)["event_type"] == "sound"
    assert json.loads(message)["clock_synced"] is clock_synced()
    assert around.soon == []
    reactions.set_away(False)
    hear(reactions, HEARD)
    assert len(around.recorded) == 1


def test_it_is_as_it_was_after_a_restart() -> None:
    """And the broker is told so."""
    around = Around()
    started(around).set_away(True)
    around.states.clear()
    assert started(around).away()["state"] == "ON"
    assert around.states == ["ON"]


@pytest.mark.parametrize("step_s", [4 * 365 * 86_400.0, -3600.0])
def test_a_clock_that_is_set_neither_ends_a_delay_nor_makes_it_longer(
    monkeypatch: pytest.MonkeyPatch, step_s: float
) -> None:
    """What was switched on before is armed when its delay is over, and is kept with the new time."""
    now = datetime(2026, 1, 1, tzinfo=timezone.utc)
    monkeypatch.setattr("edge.node.reactions.datetime", SimpleNamespace(now=lambda _: now))
    around = Around()
    reactions = started(around, arming_s=60)
    wall = reactions._clock._wall
    reactions.set_away(True)
    now += timedelta(seconds=step_s)
    monkeypatch.setattr(reactions._clock, "_wall", lambda: wall() + step_s)
    reactions.tick()
    told, kept = reactions.away()["arming_until"], json.loads(around.kept["away"])["at"]
    near = timedelta(milliseconds=50)
    assert abs(parse_rfc3339(told) - now - timedelta(seconds=60)) < near
    assert abs(parse_rfc3339(kept) - now) < near


def test_a_node_without_the_mode_says_nothing_of_it_and_refuses_the_switch() -> None:
    """What the broker may still hold of the days when it had one is cleared with all else that is not wanted."""
    around = Around()
    reactions = started(around, enabled=False)
    assert around.states == []
    with pytest.raises(UsageError, match=r"away\.enabled = true"):
        reactions.set_away(True)


def test_a_look_at_the_schedule_does_not_undo_a_switch() -> None:
    """Who looked before it was switched says so before whoever switched it, not after."""
    around = Around()
    reactions = started(around)
    looking, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        around.hold = lambda: None
        looking.set()
        assert go_on.wait(10)

    around.hold = hold
    watcher = threading.Thread(target=reactions.tick)
    switcher = threading.Thread(target=reactions.set_away, args=(True,))
    watcher.start()
    assert looking.wait(10)
    switcher.start()
    switcher.join(0.1)  # it would be done by now if it did not wait
    go_on.set()
    watcher.join(10)
    switcher.join(10)
    assert around.states[-1] == "ON"
