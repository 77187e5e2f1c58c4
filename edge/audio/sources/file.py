"""Source of a recording: in real time, or as fast as it is read."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np

from edge.audio.decode.recording import open_recording
from edge.audio.sources.ready import WAIT_S
from edge.audio.sources.source import Chunk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from edge.audio.decode.recording import Recording
    from edge.settings.source_spec import FileSpec

_BLOCK_S, _LONGEST_BLOCK_S = 0.1, 0.5
_NOTHING = np.empty(0, np.float32)


class FileSource:
    """Source that plays a recording, once or in a loop.

    The samples are those of ``open_recording(path).blocks(rate_hz)``.
    """

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
        """Take the recording to play; `rate_hz` is the rate of the samples from `read`."""
        self._spec, self.rate_hz, self.device = spec, rate_hz, str(spec.path)
        self._clock, self._sleep = clock, sleep
        self._clip: Recording | None = None
        self._blocks: Iterator[NDArray[np.float32]] = iter(())
        self._waiting: NDArray[np.float32] | None = None
        self._begun_s, self._delivered = 0.0, 0

    def open(self) -> None:
        """Open the recording; raises the errors of `open_recording`."""
        self._rewind()
        self._begun_s, self._delivered = self._clock(), 0

    def read(self) -> Chunk | None:
        """Return the next block when its last sample is due.

        After a missed deadline, blocks come without waiting until playback has caught up.
        """
        if self._waiting is None:
            self._waiting = self._read_block()
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

    def _read_block(self) -> NDArray[np.float32] | None:
        block = next(self._blocks, None)
        if block is None and self._spec.loop:
            self._rewind()
            block = next(self._blocks, None)
        return block

    def _rewind(self) -> None:
        self.close()
        self._clip = open_recording(self._spec.path)
        # At a higher speed, longer blocks at the same interval reduce the work per second of sound.
        block_s = min(max(_BLOCK_S, _BLOCK_S * self._spec.speed), _LONGEST_BLOCK_S)
        self._blocks = self._clip.blocks(self.rate_hz, block_s)
