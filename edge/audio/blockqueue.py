"""Bounded queue between a source's thread and the analysis."""

from __future__ import annotations

import threading
from collections import deque

from edge.types import AudioBlock


class BlockQueue:
    """First-in-first-out queue of blocks, bounded in samples, for one writer and one reader."""

    def __init__(self, limit_samples: int) -> None:
        """Hold at most `limit_samples`, or one longer block that was put with `put_or_wait`."""
        self._limit_samples = limit_samples
        self._blocks: deque[AudioBlock] = deque()
        self._samples = 0
        self._changed = threading.Condition()

    @property
    def samples(self) -> int:
        """Number of samples in the queue."""
        return self._samples

    def put_or_drop(self, block: AudioBlock) -> int:
        """Add a block, and drop the oldest blocks to make room; return the samples dropped.

        If the block itself is longer than the queue, its end is kept.
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
        """Wait for room, then add a block; return whether it was added.

        An empty queue has room for any block. After `timeout_s` without room the block is not added.
        """
        with self._changed:
            size = block.samples.size
            if self._changed.wait_for(
                lambda: not self._blocks or self._samples + size <= self._limit_samples, timeout_s
            ):
                self._add(block)
                return True
        return False

    def take(self) -> list[AudioBlock]:
        """Remove and return all blocks, oldest first, without waiting."""
        with self._changed:
            blocks = list(self._blocks)
            self._blocks.clear()
            self._samples = 0
            self._changed.notify_all()
        return blocks

    def _add(self, block: AudioBlock) -> None:
        self._blocks.append(block)
        self._samples += block.samples.size
