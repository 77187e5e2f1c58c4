"""Thread for the periodic work of a node."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from edge.telemetry import is_up

if TYPE_CHECKING:
    from edge.node.engine import Engine
    from edge.node.outputs import Outputs
    from edge.types import SourceState

_POLL_S = 0.25  # longest delay before a source's state is published
_MAINTENANCE_S = 60.0


class Watcher:
    """Periodic work of a node: source states, away schedule and maintenance of the history."""

    def __init__(self, engine: Engine, outputs: Outputs) -> None:
        """Take the engine with the sources, and the outputs to be kept up to date."""
        self._engine, self._outputs = engine, outputs
        self._known: dict[str, SourceState] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Signal the thread to end at its next turn."""
        self._stopping.set()

    def _watch(self) -> None:
        outputs, maintained_s = self._outputs, time.monotonic()
        started_s: float | None = _process_start_s()
        while not self._stopping.wait(_POLL_S):
            self._publish_states()
            if started_s is not None and self._engine.first_scored_s is not None:
                outputs.metrics.first_window.set(max(0.0, self._engine.first_scored_s - started_s))
                started_s = None
            outputs.reactions.tick()
            if time.monotonic() - maintained_s >= _MAINTENANCE_S:
                maintained_s = time.monotonic()
                outputs.recorder.maintain()
                outputs.states.publish_info()  # the clock may be synchronised by now

    def _publish_states(self) -> None:
        for stats in self._engine.stats():
            if self._known.get(stats.name) is not stats.state:
                self._known[stats.name] = stats.state
                self._outputs.states.publish_source(stats.name, stats.state, up=is_up(stats.state))


def _process_start_s() -> float:
    """Return the start of this process, on the monotonic clock."""
    with open("/proc/self/stat", encoding="utf-8") as file:  # noqa: PTH123 - not a file of ours
        ticks = int(file.read().rpartition(")")[2].split()[19])
    return ticks / os.sysconf("SC_CLK_TCK") + time.monotonic() - time.clock_gettime(time.CLOCK_BOOTTIME)
