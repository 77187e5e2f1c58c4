"""MQTT commands: execution, refusal, and state across a restart."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from edge.errors import UsageError
from edge.node.commands import Commands, DetectSwitch


class FakeParts:
    """A source, the store and the states, with a record of their calls."""

    name = "mic"

    def __init__(self) -> None:
        self.runner = SimpleNamespace(set_enabled=lambda enabled: self.calls.append(("source", enabled)))
        self.calls: list[tuple[str, bool]] = []
        self.kept: dict[str, str] = {}
        self.writes = 0

    def state_get(self, key: str) -> str | None:
        return self.kept.get(key)

    def state_set(self, key: str, value: str) -> None:
        self.kept[key] = value
        self.writes += 1

    def publish_detection(self, source: str, *, enabled: bool) -> None:
        assert source == "mic"
        self.calls.append(("state", enabled))


def make_switch(parts: Any, *, enabled: bool = True) -> DetectSwitch:
    return DetectSwitch(parts, enabled=enabled, store=parts, states=parts)


@pytest.mark.parametrize(
    ("suffix", "payload"),
    [("mic/detect/set", "on"), ("mic/detect/set", ""), ("yard/detect/set", "ON"), ("mic/away/set", "ON"), ("", "OFF")],
)
def test_an_unknown_command_is_refused(suffix: str, payload: str) -> None:
    """The error names the commands, and no switch is called."""
    commands, calls = Commands(), list[bool]()
    commands.add("mic/detect/set", calls.append)
    commands.add("away/set", calls.append)
    with pytest.raises(UsageError, match="send ON or OFF to away/set, or to SOURCE/detect/set"):
        commands.execute(suffix, payload)
    assert calls == []


def test_a_source_keeps_its_state_across_a_restart() -> None:
    """It is switched at once, its state is published, and a repeated command writes nothing."""
    parts, commands = FakeParts(), Commands()
    first = make_switch(parts)
    commands.add(first.suffix, first.set)
    first.restore()
    assert parts.calls == [("source", True), ("state", True)]
    for _ in range(2):
        commands.execute("mic/detect/set", "OFF")
    assert (parts.kept, parts.writes) == ({"detect/mic": "OFF"}, 1)
    parts.calls.clear()
    make_switch(parts).restore()
    assert parts.calls == [("source", False), ("state", False)]


def test_a_source_disabled_in_the_settings_is_off_after_a_restart() -> None:
    """A command enables it only until then."""
    parts = FakeParts()
    make_switch(parts, enabled=False).set(True)
    assert parts.calls[-1] == ("state", True)
    make_switch(parts, enabled=False).restore()
    assert parts.calls[-1] == ("state", False)
