"""State of a device to toggle, as it reports it. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from edge.jsontext import dumps

if TYPE_CHECKING:
    from edge.settings.actions import Toggle


class ToggleState:
    """The last known state of a device.

    A delivered command counts as obeyed until the device reports a state, so that two toggles in a row differ even if
    the first has not been reported yet. Thread-safe.
    """

    def __init__(self, toggle: Toggle) -> None:
        """Take the settings; the state is unknown."""
        self._toggle = toggle
        self._on: bool | None = None

    def update(self, payload: bytes) -> None:
        """Take a reported state.

        A JSON message without the key changes nothing, and an empty message makes the state unknown.
        """
        if not payload:
            self._on = None
            return
        state = self._state(payload.decode("utf-8", "replace"))
        if state is not None:
            self._on = state.casefold() == self._toggle.on.casefold()

    def _state(self, text: str) -> str | None:
        if not self._toggle.state_key:
            return text.strip()
        try:
            report = json.loads(text)
            value = report.get(self._toggle.state_key) if isinstance(report, dict) else None
            if value is None:
                return None
            return value.strip() if isinstance(value, str) else dumps(value)  # a JSON true is written `true`
        except (ValueError, RecursionError):  # invalid JSON, or too deeply nested
            return None

    def choose(self) -> bool:
        """Return the state to switch to; a device in an unknown state is switched on."""
        return not self._on

    def payload(self, *, on: bool) -> str:
        """Return the payload that commands a state."""
        return self._toggle.payload_on if on else self._toggle.payload_off

    def confirm(self, *, on: bool) -> None:
        """Assume that a delivered command is obeyed."""
        self._on = on
