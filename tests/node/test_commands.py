"""Commands over MQTT: what is obeyed, and what a restart does not forget."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from edge.errors import UsageError
from edge.node.commands import Commands, DetectSwitch


class Around:
    """A source, the store and the states, and what each was told."""

    name = "mic"

    def __init__(self) -> None:
        self.runner = SimpleNamespace(set_enabled=lambda enabled: self.told.append(("source", enabled)))
        self.told: list[tuple[str, bool]] = []
        self.kept: dict[str, str] = {}
        self.writes = 0

    def state_get(self, key: str) -> str | None:
        return self.kept.get(key)

    def state_set(self, key: str, value: str) -> None:
        self.kept[key] = value
        self.writes += 1

    def detect(self, source: str, *, enabled: bool) -> None:
        assert source == "mic"
        self.told.append(("state", enabled))


def switch(around: Any, *, enabled: bool = True) -> DetectSwitch:
    return DetectSwitch(around, enabled=enabled, store=around, states=around)


@pytest.mark.parametrize(
    ("suffix", "payload"),
    [("mic/detect/set", "on"), ("mic/detect/set", ""), ("yard/detect/set", "ON"), ("mic/away/set", "ON"), ("", "OFF")],
)
def test_anything_else_is_refused(suffix: str, payload: str) -> None:
    """With a line that says what would be obeyed."""
    commands = Commands()
    commands.add("mic/detect/set", pytest.fail)
    commands.add("away/set", pytest.fail)
    with pytest.raises(UsageError, match="send ON or OFF to away/set, or to SOURCE/detect/set"):
        commands.obey(suffix, payload)


def test_a_source_is_as_it_was_left() -> None:
    """It is switched at once, its state is published, and the same command again writes nothing."""
    around, commands = Around(), Commands()
    first = switch(around)
    commands.add(first.suffix, first.set)
    first.restore()
    assert around.told == [("source", True), ("state", True)]
    for _ in range(2):
        commands.obey("mic/detect/set", "OFF")
    assert (around.kept, around.writes) == ({"detect/mic": "OFF"}, 1)
    around.told.clear()
    switch(around).restore()
    assert around.told == [("source", False), ("state", False)]


def test_a_source_that_is_disabled_in_the_settings_stays_so_after_a_restart() -> None:
    """Whatever it was switched to."""
    around = Around()
    switch(around, enabled=False).set(True)
    assert around.told[-1] == ("state", True)
    switch(around, enabled=False).restore()
    assert around.told[-1] == ("state", False)
