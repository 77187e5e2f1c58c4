"""A recording as a source: paced as if it were heard now, or as fast as it is taken."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np

from edge.audio.decode.clip import open_clip
from edge.audio.sources.ready import WAIT_S
from edge.audio.sources.source import Chunk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from edge.audio.decode.clip import Clip
    from edge.settings.source_spec import FileSpec

_BLOCK_S, _LONGEST_BLOCK_S = 0.1, 0.5
_NOTHING = np.empty(0, np.float32)


class FileSource:
    """Plays a recording; its samples are those of ``open_clip(path).blocks(rate_hz)``, again and again with loop."""

    live = False
    clocked = False
    stall_s = math.inf

    def __init__(
        self,
        spec: FileSpec,
        rate_hz: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take what to play; `rate_hz` is the rate that `read` returns."""
        self._spec, self.rate_hz, self.device = spec, rate_hz, str(spec.path)
        self._clock, self._sleep = clock, sleep
        self._clip: Clip | None = None
        self._blocks: Iterator[NDArray[np.float32]] = iter(())
        self._waiting: NDArray[np.float32] | None = None
        self._begun_s, self._delivered = 0.0, 0

    def open(self) -> None:
        """Open the recording; raises what `open_clip` does."""
        self._rewind()
        self._begun_s, self._delivered = self._clock(), 0

    def read(self) -> Chunk | None:
        """Return the next block when its last sample is due; a deadline that was missed is made up for."""
        if self._waiting is None:
            self._waiting = self._next()
        if self._waiting is None:
            return None
        due_s = self._begun_s + (self._delivered + self._waiting.size) / (self.rate_hz * self._spec.speed)
        wait_s = due_s - self._clock()
        if wait_s > 0:
            self._sleep(min(wait_s, WAIT_S))
            if wait_s > WAIT_S:
                return Chunk(_NOTHING)
        chunk = Chunk(self._waiting, remark=self._clip.remark if self._clip else "")
        self._delivered += self._waiting.size
        self._waiting = None
        return chunk

    def close(self) -> None:
        """Close the recording."""
        if self._clip is not None:
            self._clip.close()
            self._clip = None

    def _next(self) -> NDArray[np.float32] | None:
        block = next(self._blocks, None)
        if block is None and self._spec.loop:
            self._rewind()
            block = next(self._blocks, None)
        return block

    def _rewind(self) -> None:
        self.close()
        self._clip = open_clip(self._spec.path)
        # At a higher speed longer blocks come as often, so the work per second of sound falls.
        block_s = min(max(_BLOCK_S, _BLOCK_S * self._spec.speed), _LONGEST_BLOCK_S)
        self._blocks = self._clip.blocks(self.rate_hz, block_s)
