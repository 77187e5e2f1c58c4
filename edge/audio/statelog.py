"""Log of a source's state changes, without a line for every retry."""

from __future__ import annotations

import logging
from collections import Counter

from edge.types import SourceState

log = logging.getLogger("tocsin.audio")
_LINES_MAX = 64  # lines to remember: the message of a program may differ each time
_QUALITY = {SourceState.SILENT: "digital silence; is it muted?", SourceState.CLIPPING: "too loud; lower its gain"}


class StateLog:
    """Logger of one source's state.

    Until `reset`, repeats of a line are logged at powers of two: the 2nd, 4th, 8th … time.
    """

    def __init__(self, name: str) -> None:
        """Take the name of the source."""
        self._name = name
        self._times: Counter[str] = Counter()

    def log_state(self, state: SourceState, detail: str, device: str) -> None:
        """Log a change of state: offline and bad quality as warnings, the rest as information."""
        if state in _QUALITY:
            self._log_sparsely(logging.WARNING, f"source {self._name} is {state.value}: {_QUALITY[state]}")
        elif state is SourceState.OFFLINE:
            self._log_sparsely(logging.WARNING, f"source {self._name} is offline: {detail}")
        else:
            self._log_sparsely(
                logging.INFO, f"source {self._name} is {state.value}" + (f": {device}" if device else "")
            )

    def log_end(self, detail: str, *, lost: bool) -> None:
        """Log the end of the source: a warning if live sound is lost."""
        if lost:
            self._log_sparsely(logging.WARNING, f"source {self._name} is lost until the next start: {detail}")
        else:
            self._log_sparsely(logging.INFO, f"source {self._name} is done: {detail}")

    def reset(self) -> None:
        """Forget the repeats, after the source has been online for a while."""
        self._times.clear()

    def _log_sparsely(self, level: int, line: str) -> None:
        if len(self._times) == _LINES_MAX and line not in self._times:
            self.reset()
        self._times[line] += 1
        times = self._times[line]
        if times & (times - 1) == 0:  # a power of two
            log.log(level, line if times == 1 else f"{line} ({times} times by now)")
