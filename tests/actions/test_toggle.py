"""The state of a device to toggle."""

from __future__ import annotations

from typing import Any

import pytest

from edge.actions.toggle import ToggleState
from edge.settings.actions import Toggle


def toggle_state(**values: Any) -> ToggleState:
    return ToggleState(Toggle(state_topic="a/state", **values))


@pytest.mark.parametrize(
    ("values", "states", "wanted"),
    [
        ({}, [], True),
        ({}, [b"ON"], False),
        ({}, [b" on \n"], False),
        ({}, [b"OFF"], True),
        ({}, [b"ON", b"unavailable"], True),
        ({}, [b"ON", b""], True),
        ({"state_key": "state"}, [b'{"state": "ON"}', b""], True),
        ({"on": "playing"}, [b"Playing"], False),
        ({"state_key": "state"}, [b'{"state": "ON", "brightness": 3}'], False),
        ({"state_key": "state"}, [b'{"state": "on"}', b'{"linkquality": 80}'], False),
        ({"state_key": "state"}, [b'{"state": "ON"}', b'{"state": null}', b"ON?", b"[1]", b"\xff"], False),
        ({"state_key": "state"}, [b'{"state": "ON"}', b"[" * 9000, b'{"state": ' + b"[" * 9000, b"1" * 9000], False),
        ({"state_key": "POWER"}, [b'{"Time": "2026-01-31T12:00:00", "POWER": "OFF"}'], True),
        ({"state_key": "on", "on": "true"}, [b'{"on": true}'], False),
        ({"state_key": "relay", "on": "1"}, [b'{"relay": 1}'], False),
    ],
)
def test_the_last_state_that_says_something_counts(values: Any, states: list[bytes], wanted: bool) -> None:
    """States are plain or under a key, in any case; an unknown state is switched on."""
    known = toggle_state(**values)
    for state in states:
        known.update(state)
    assert known.choose() is wanted


def test_a_command_is_believed_until_a_state_comes() -> None:
    """A report overrides the command."""
    known = toggle_state(payload_on="1", payload_off="0")
    assert known.payload(on=known.choose()) == "1"
    known.confirm(on=True)
    assert known.payload(on=known.choose()) == "0"
    known.update(b"OFF")
    assert known.payload(on=known.choose()) == "1"
