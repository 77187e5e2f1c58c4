"""A source's state in the log: each change, and no line again for every retry."""

from __future__ import annotations

import logging
from collections import Counter

from edge.types import SourceState

_LOG = logging.getLogger("tocsin.audio")
_LINES_MAX = 64  # remembered: what a program says of its failure may be new each time
_QUALITY = {SourceState.SILENT: "digital silence; is it muted?", SourceState.CLIPPING: "too loud; lower its gain"}


class Announcer:
    """Logs what becomes of one source. Until `forget`, what was said is said again with its 2nd, 4th, 8th … time."""

    def __init__(self, name: str) -> None:
        """Begin with nothing said."""
        self._name = name
        self._times: Counter[str] = Counter()

    def say(self, state: SourceState, detail: str, device: str) -> None:
        """Log a change of state: offline and bad quality as a warning, the rest as information."""
        if state in _QUALITY:
            self._sparingly(logging.WARNING, f"source {self._name} is {state.value}: {_QUALITY[state]}")
        elif state is SourceState.OFFLINE:
            self._sparingly(logging.WARNING, f"source {self._name} is offline: {detail}")
        else:
            self._sparingly(logging.INFO, f"source {self._name} is {state.value}" + (f": {device}" if device else ""))

    def end(self, detail: str, *, lost: bool) -> None:
        """Log that the source came to its end; for live sound that is a loss, and a warning."""
        if lost:
            self._sparingly(logging.WARNING, f"source {self._name} is lost until the next start: {detail}")
        else:
            self._sparingly(logging.INFO, f"source {self._name} is done: {detail}")

    def forget(self) -> None:
        """Allow every line again: the source has been well for a while, so that its loss would be news."""
        self._times.clear()

    def _sparingly(self, level: int, line: str) -> None:
        if len(self._times) == _LINES_MAX and line not in self._times:
            self.forget()
        self._times[line] += 1
        times = self._times[line]
        if times & (times - 1) == 0:  # a power of two
            _LOG.log(level, line if times == 1 else f"{line} ({times} times by now)")
