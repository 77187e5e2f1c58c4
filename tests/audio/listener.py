"""A runner and what it has delivered so far."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.audio.runner import SourceRunner

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from edge.types import AudioBlock, SourceState

RATE = 16_000


class Listener:
    """Takes a runner's blocks as they come, until something is true."""

    def __init__(self, spec: str, **options: Any) -> None:
        self.wake = threading.Event()
        self.runner = SourceRunner("test", spec, rate_hz=RATE, wake=self.wake, **options)
        self.blocks: list[AudioBlock] = []

    @property
    def samples(self) -> NDArray[np.float32]:
        """Return all samples so far, end to end."""
        return np.concatenate([np.empty(0, np.float32), *(block.samples for block in self.blocks)])

    @property
    def gaps(self) -> list[tuple[int, int]]:
        """Return the index where each gap begins, and its length in samples."""
        ends = [block.start + block.samples.size for block in self.blocks]
        starts = [block.start for block in self.blocks[1:]]
        return [(end, start - end) for end, start in zip(ends, starts, strict=False) if start != end]

    def until(self, reached: Callable[[], bool], timeout_s: float = 15.0, *, take: bool = True) -> float:
        """Collect until `reached`, or only wait; return the seconds that took. Fails with the runner's state."""
        begun = time.monotonic()
        while not reached():
            assert time.monotonic() - begun < timeout_s, self.runner.stats()
            self.wake.wait(0.02)
            self.wake.clear()
            if take:
                self.blocks += self.runner.take()
        return time.monotonic() - begun

    def until_heard(self, seconds: float, timeout_s: float = 15.0) -> float:
        """Collect this many more seconds of sound."""
        goal = self.runner.stats().samples_total + seconds * RATE
        return self.until(lambda: self.runner.stats().samples_total >= goal, timeout_s)

    def until_state(self, state: SourceState, timeout_s: float = 15.0) -> float:
        """Collect until the source is in this state."""
        return self.until(lambda: self.runner.stats().state is state, timeout_s)

    def until_finished(self, timeout_s: float = 15.0) -> None:
        """Collect everything up to the source's end."""
        self.until(lambda: self.runner.stats().finished, timeout_s)
        self.blocks += self.runner.take()
