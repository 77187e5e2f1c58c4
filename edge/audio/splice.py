"""Resampling and sample indices: from source chunks to indexed blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge.frontend.resample import StreamResampler
from edge.types import AudioBlock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from edge.audio.sources.source import Chunk

_NOTHING = np.empty(0, np.float32)


class Splicer:
    """Resampler whose index jumps where samples were lost, so that no block spans a gap.

    It does no I/O. No block is longer than a second, even if a source delivers more at once. `position` is the index
    after the last input sample; blocks lag behind it by the delay of the resampler.
    """

    def __init__(self, rate_hz: int) -> None:
        """Start at index 0; `rate_hz` is the rate of indices and blocks."""
        self._rate_hz = rate_hz
        self._rate_in_hz = 0
        self._resampler: StreamResampler | None = None
        self._base = 0  # index of the first sample since the last gap
        self._taken = 0  # input samples since then, at the source's rate
        self._given = 0  # output samples since then, at the front end's rate
        self.gap_samples = 0
        """Total length of all gaps, in samples at the front end's rate."""

    @property
    def position(self) -> int:
        """Index after the last input sample."""
        taken = round(self._taken * self._rate_hz / self._rate_in_hz) if self._rate_in_hz else 0
        return self._base + max(taken, self._given)

    def push(self, chunk: Chunk, rate_in_hz: int) -> Iterator[AudioBlock]:
        """Take a chunk at `rate_in_hz`; yield the blocks that are complete."""
        if chunk.lost or (self._resampler is not None and rate_in_hz != self._rate_in_hz):
            yield from self.cut(round(chunk.lost * self._rate_hz / rate_in_hz))
        if self._resampler is None:
            self._base, self._taken, self._given = self.position, 0, 0
            self._rate_in_hz, self._resampler = rate_in_hz, StreamResampler(rate_in_hz, self._rate_hz)
        self._taken += chunk.samples.size
        yield from self._emit(self._resampler.push(chunk.samples))

    def cut(self, lost: int) -> Iterator[AudioBlock]:
        """Begin a gap: yield the rest from the resampler, then skip `lost` samples.

        At least one sample is skipped. Before the first sample nothing is skipped, because nothing can be lost yet.
        """
        if not self._rate_in_hz:
            return
        yield from self.finish()
        skipped = max(1, lost)
        self._base, self._taken, self._given = self.position + skipped, 0, 0
        self.gap_samples += skipped

    def finish(self) -> Iterator[AudioBlock]:
        """Yield the rest from the resampler; the next chunk begins after a break."""
        # Cleared before the yield, where the caller may stop: a resampler accepts nothing after its last block.
        resampler, self._resampler = self._resampler, None
        if resampler is not None:
            yield from self._emit(resampler.push(_NOTHING, last=True))

    def _emit(self, samples: NDArray[np.float32]) -> Iterator[AudioBlock]:
        for begin in range(0, samples.size, self._rate_hz):
            piece = samples[begin : begin + self._rate_hz]
            block = AudioBlock(piece, self._base + self._given)
            self._given += piece.size
            yield block
