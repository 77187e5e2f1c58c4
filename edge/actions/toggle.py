"""Asking a thing for the opposite of what it does, by following the state that it reports. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from edge.jsontext import dumps

if TYPE_CHECKING:
    from edge.settings.actions import Toggle


class Follower:
    """Knows whether a thing is on, as far as anybody has said.

    A command that was delivered counts as obeyed until the thing reports a state, so that two toggles in a row differ
    even where the first has not been reported yet. May be read and told from different threads.
    """

    def __init__(self, toggle: Toggle) -> None:
        """Begin without knowing."""
        self._toggle = toggle
        self._on: bool | None = None

    def heard(self, payload: bytes) -> None:
        """Take a state; a JSON message without the key says nothing of it, and an empty message forgets it."""
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
        except (ValueError, RecursionError):  # no JSON, or thousands of brackets
            return None

    def wanted(self) -> bool:
        """Return whether the thing is to be on next; what is unknown is switched on."""
        return not self._on

    def payload(self, *, on: bool) -> str:
        """Return the payload that asks for it."""
        return self._toggle.payload_on if on else self._toggle.payload_off

    def delivered(self, *, on: bool) -> None:
        """Believe that a command that the broker has is obeyed."""
        self._on = on
