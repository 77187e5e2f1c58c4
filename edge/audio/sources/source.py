"""What a source of sound is to the runner."""

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
    """Shape (n,) or (n, channels), full scale ±1; empty when nothing came within the time of one read."""
    lost: int = 0
    """Samples lost right before these, at the source's rate."""
    remark: str = ""
    """What is to be known about the sound, in one line; empty when all is well."""


class StreamEnded(SourceUnavailable):
    """The other side has sent all that it had for now; it is to be asked again later, and not at once."""


class AudioSource(Protocol):
    """A source that is opened, read to its end or its loss, closed, and opened again, all by one thread."""

    live: bool
    """Whether it goes on by itself, so that what is not taken in time must be dropped; else it waits."""
    stall_s: float
    """Seconds without a sample after which it counts as offline though it is open."""
    clocked: bool
    """Whether a sample was heard when it arrived; a recording has a time of its own instead."""

    @property
    def rate_hz(self) -> int:
        """Samples per second, once open."""

    @property
    def device(self) -> str:
        """What was opened, for people; no secrets."""

    def open(self) -> None:
        """Open it, or raise an `edge.errors.TocsinError` that says why not."""

    def read(self) -> Chunk | None:
        """Return what came, waiting at most half a second; None at the end.

        Raises `SourceUnavailable` when lost, and `StreamEnded` at an end that may not be the last.
        """

    def close(self) -> None:
        """Let go of everything; allowed at any time, twice too."""
