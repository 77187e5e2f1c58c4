"""Interface of a source for its runner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from edge.errors import SourceUnavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Chunk:
    """Consecutive samples at the source's own rate."""

    samples: NDArray[np.float32]
    """Shape (n,) or (n, channels), full scale ±1; empty if no sound came during the read."""
    lost: int = 0
    """Number of samples lost just before these, at the source's rate."""
    remark: str = ""
    """A note on the sound, in one line; empty if there is no problem."""


class StreamEnded(SourceUnavailable):
    """Clean end of a stream, which may be retried later but not at once."""


class AudioSource(Protocol):
    """Source that one thread opens, reads to the end or a loss, and closes, repeatedly."""

    live: bool
    """Whether it does not wait for the reader, so that late samples must be dropped."""
    stall_s: float
    """Seconds without a sample after which an open source is offline."""
    clocked: bool
    """Whether the time of a sample is its arrival; a recording has its own time instead."""

    @property
    def rate_hz(self) -> int:
        """Samples per second, after `open`."""

    @property
    def device(self) -> str:
        """Name of the opened device for users, without secrets."""

    def open(self) -> None:
        """Open the source; raises an `edge.errors.TocsinError` with the reason."""

    def read(self) -> Chunk | None:
        """Return the new samples after at most half a second; None at the end.

        Raises `SourceUnavailable` after a loss, and `StreamEnded` at an end after which the source may be retried.
        """

    def close(self) -> None:
        """Release everything; it may be called at any time, and twice."""
