"""A source's state in the log: each change once, and no line again for every retry."""

from __future__ import annotations

import logging

from edge.types import SourceState

_LOG = logging.getLogger("tocsin.audio")
_QUALITY = {SourceState.SILENT: "digital silence; is it muted?", SourceState.CLIPPING: "too loud; lower its gain"}


class Announcer:
    """Logs what becomes of one source. What was said is not said again until `forget`."""

    def __init__(self, name: str) -> None:
        """Begin with nothing said."""
        self._name = name
        self._said: set[str] = set()

    def say(self, state: SourceState, detail: str, device: str) -> None:
        """Log a change of state: offline and bad quality as a warning, the rest as information."""
        if state in _QUALITY:
            self._once(logging.WARNING, f"source {self._name} is {state.value}: {_QUALITY[state]}")
        elif state is SourceState.OFFLINE:
            self._once(logging.WARNING, f"source {self._name} is offline: {detail}")
        else:
            self._once(logging.INFO, f"source {self._name} is {state.value}" + (f": {device}" if device else ""))

    def end(self, detail: str) -> None:
        """Log that the source came to its end."""
        self._once(logging.INFO, f"source {self._name} is done: {detail}")

    def forget(self) -> None:
        """Allow every line again: the source has been well for a while, so that its loss would be news."""
        self._said.clear()

    def _once(self, level: int, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            _LOG.log(level, line)
