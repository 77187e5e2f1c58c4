"""Keeps count of a stream: source chunks in, blocks at the front end's rate with their sample index out."""

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
    """Resamples, and lets the index jump where samples were lost, so that nothing ever spans a gap.

    Pure. No block is longer than a second, however much a source delivers at once. `position` is the index up to which
    sound has been taken in; blocks lag behind it by what the resampler holds back.
    """

    def __init__(self, rate_hz: int) -> None:
        """Begin at index 0; `rate_hz` is the rate of indices and blocks."""
        self._rate_hz = rate_hz
        self._rate_in_hz = 0
        self._resampler: StreamResampler | None = None
        self._base = 0  # index where the stretch without a gap began
        self._taken = 0  # samples taken in since, at the source's rate
        self._given = 0  # samples given out since, at the front end's rate
        self.gap_samples = 0
        """Samples that gaps have swallowed so far, at the front end's rate."""

    @property
    def position(self) -> int:
        """Index just after the last sample taken in."""
        taken = round(self._taken * self._rate_hz / self._rate_in_hz) if self._rate_in_hz else 0
        return self._base + max(taken, self._given)

    def push(self, chunk: Chunk, rate_in_hz: int) -> Iterator[AudioBlock]:
        """Take a chunk at `rate_in_hz`; yield the blocks that it completes."""
        if chunk.lost or (self._resampler is not None and rate_in_hz != self._rate_in_hz):
            yield from self.cut(round(chunk.lost * self._rate_hz / rate_in_hz))
        if self._resampler is None:
            self._base, self._taken, self._given = self.position, 0, 0
            self._rate_in_hz, self._resampler = rate_in_hz, StreamResampler(rate_in_hz, self._rate_hz)
        self._taken += chunk.samples.size
        yield from self._emit(self._resampler.push(chunk.samples))

    def cut(self, lost: int) -> Iterator[AudioBlock]:
        """End the stretch: yield what the resampler still holds, then skip `lost` samples, at least one.

        Before the very first sample there is nothing to be lost from, so nothing is skipped.
        """
        if not self._rate_in_hz:
            return
        yield from self.finish()
        skipped = max(1, lost)
        self._base, self._taken, self._given = self.position + skipped, 0, 0
        self.gap_samples += skipped

    def finish(self) -> Iterator[AudioBlock]:
        """Yield what the resampler still holds: nothing more will come without a break."""
        # Let go of first: whoever iterates may give up at the yield, and this resampler takes nothing after its last.
        resampler, self._resampler = self._resampler, None
        if resampler is not None:
            yield from self._emit(resampler.push(_NOTHING, last=True))

    def _emit(self, samples: NDArray[np.float32]) -> Iterator[AudioBlock]:
        for begin in range(0, samples.size, self._rate_hz):
            piece = samples[begin : begin + self._rate_hz]
            block = AudioBlock(piece, self._base + self._given)
            self._given += piece.size
            yield block
