"""The bounded queue between a source's thread and the analysis."""

from __future__ import annotations

import threading
from collections import deque

from edge.types import AudioBlock


class BlockQueue:
    """Blocks in order, bounded in samples. One thread puts, another takes."""

    def __init__(self, limit_samples: int) -> None:
        """Hold at most `limit_samples`, or one block of a source that waits if that is longer."""
        self._limit_samples = limit_samples
        self._blocks: deque[AudioBlock] = deque()
        self._samples = 0
        self._changed = threading.Condition()

    @property
    def samples(self) -> int:
        """Samples that wait."""
        return self._samples

    def put_or_drop(self, block: AudioBlock) -> int:
        """Add a block, and drop the oldest ones as long as it is too much; return the samples dropped.

        Of a block that is longer than the queue, the end is kept.
        """
        dropped = max(0, block.samples.size - self._limit_samples)
        if dropped:
            block = AudioBlock(block.samples[dropped:], block.start + dropped)
        with self._changed:
            self._add(block)
            while self._samples > self._limit_samples:
                oldest = self._blocks.popleft().samples.size
                self._samples -= oldest
                dropped += oldest
        return dropped

    def put_or_wait(self, block: AudioBlock, timeout_s: float) -> bool:
        """Add a block when there is room within the time, or nothing waits; return whether there was."""
        with self._changed:
            size = block.samples.size
            if self._changed.wait_for(
                lambda: not self._blocks or self._samples + size <= self._limit_samples, timeout_s
            ):
                self._add(block)
                return True
        return False

    def take(self) -> list[AudioBlock]:
        """Return all blocks that wait, oldest first, without waiting."""
        with self._changed:
            blocks = list(self._blocks)
            self._blocks.clear()
            self._samples = 0
            self._changed.notify_all()
        return blocks

    def _add(self, block: AudioBlock) -> None:
        self._blocks.append(block)
        self._samples += block.samples.size
