"""Runner with its collected blocks."""

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
    """Runner whose blocks are collected until a condition is true."""

    def __init__(self, spec: str, **options: Any) -> None:
        self.wake = threading.Event()
        self.runner = SourceRunner("test", spec, rate_hz=RATE, wake=self.wake, **options)
        self.blocks: list[AudioBlock] = []

    @property
    def samples(self) -> NDArray[np.float32]:
        """All samples so far, joined."""
        return np.concatenate([np.empty(0, np.float32), *(block.samples for block in self.blocks)])

    @property
    def gaps(self) -> list[tuple[int, int]]:
        """First index and length in samples of each gap."""
        ends = [block.start + block.samples.size for block in self.blocks]
        starts = [block.start for block in self.blocks[1:]]
        return [(end, start - end) for end, start in zip(ends, starts, strict=False) if start != end]

    def collect_until(self, reached: Callable[[], bool], timeout_s: float = 15.0, *, take: bool = True) -> float:
        """Collect blocks until `reached` returns true; return the elapsed seconds.

        Without `take`, only wait. After `timeout_s` it fails with the runner's state.
        """
        begun = time.monotonic()
        while not reached():
            assert time.monotonic() - begun < timeout_s, self.runner.stats()
            self.wake.wait(0.02)
            self.wake.clear()
            if take:
                self.blocks += self.runner.take()
        return time.monotonic() - begun

    def collect_seconds(self, seconds: float, timeout_s: float = 15.0) -> float:
        """Collect `seconds` more of sound."""
        goal = self.runner.stats().samples_total + seconds * RATE
        return self.collect_until(lambda: self.runner.stats().samples_total >= goal, timeout_s)

    def collect_until_state(self, state: SourceState, timeout_s: float = 15.0) -> float:
        """Collect blocks until the source is in `state`."""
        return self.collect_until(lambda: self.runner.stats().state is state, timeout_s)

    def collect_all(self, timeout_s: float = 15.0) -> None:
        """Collect all blocks up to the end of the source."""
        self.collect_until(lambda: self.runner.stats().finished, timeout_s)
        self.blocks += self.runner.take()
