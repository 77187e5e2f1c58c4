"""The records that travel along the line from sound to message. All but `NetworkState` are frozen.

Time in the core is a sample index at the front end's rate, counted from the start of the stream. Lost
samples are counted too, so an index that jumps *is* a gap. UTC is added once, at the rim.
"""

from __future__ import annotations

import enum
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Phase(str, enum.Enum):
    """A point in an event's life."""

    START = "start"
    UPDATE = "update"
    END = "end"


class SourceState(str, enum.Enum):
    """What a source is doing, as published under ``{source}/status``."""

    ONLINE = "online"
    SILENT = "silent"
    CLIPPING = "clipping"
    OFFLINE = "offline"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class AudioBlock:
    """Consecutive mono samples at the front end's rate."""

    samples: NDArray[np.float32]
    """Shape (n,), full scale ±1."""
    start: int
    """Index of the first sample in the stream; a jump since the last block's end is a gap."""


@dataclass(eq=False, slots=True)
class NetworkState:
    """What a streaming network remembers of one unbroken stretch of sound. Only the network's classifier changes it."""

    vector: NDArray[np.float32] | None = None
    """Shape (state_size,); None before the stretch's first window."""


@dataclass(frozen=True, slots=True)
class MelWindow:
    """What the network looks at for one decision."""

    features: NDArray[np.float32]
    """Shape (window_frames, n_mels)."""
    end: int
    """Sample index just after the window's last sample: the moment of the decision."""
    heard: int
    """Samples in the window that were really heard; the rest is silence from before the stream or a gap."""
    gap: bool
    """Whether samples were lost right before what was heard."""
    new_frames: int
    """Frames at the end of `features` that were in no window before."""
    state: NetworkState
    """Of the stretch that the window is part of: after a gap it is another one."""


@dataclass(frozen=True, slots=True)
class Scores:
    """A decision's calibrated probabilities."""

    probabilities: NDArray[np.float32]
    """Shape (labels,), each between 0 and 1."""
    end: int
    heard: int
    gap: bool


@dataclass(frozen=True, slots=True)
class Level:
    """The level of a stretch of sound, in dB re full scale plus the configured offset."""

    start: int
    end: int
    laeq_db: float
    lafmax_db: float
    l10_db: float
    l50_db: float
    l90_db: float


@dataclass(frozen=True, slots=True)
class Event:
    """One message about one sound. An event's messages share `event_id`."""

    event_id: str
    phase: Phase
    label: str
    score: float
    """Smoothed probability now."""
    peak_score: float
    """Highest since the start."""
    onset: int
    """Sample index where the sound began."""
    end: int | None
    """Sample index where it ended; None until it has."""
    decided: int
    """Sample index of the decision that made this message."""
    laeq_db: float
    lafmax_db: float
    gap: bool = False
    """Whether samples were lost before or during the event."""


@dataclass(frozen=True, slots=True)
class Clap:
    """An onset that was confirmed as a clap."""

    at: int
    """Sample index of its rise."""
    confidence: float
    """Probability that it is a clap, between 0 and 1."""
    level_db: float
    """Its peak, in dB re full scale."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """What was done with claps, or the sound of the away mode; or what looked like it and was suppressed."""

    name: str
    """`double`, `triple`, a name of the user's, or `sound`."""
    onsets: tuple[int, ...]
    """Sample index of each clap; of the sound's beginning."""
    decided: int
    """Sample index of the decision."""
    confidence: float
    """Of its claps on average; for a sound, how far it stands out, between 0 and 1."""
    level_db: float = 0.0
    """Peak of its faintest clap, in dB re full scale; 0 where levels say nothing."""
    reason: str = ""
    """Why it is suppressed, in a word or two, such as `applause`; empty for one that counts."""
    detail: str = ""
    """What a log line adds: the score behind the reason, the sound's most likely label."""

    def intervals_ms(self, sample_rate_hz: int) -> list[int]:
        """Return the gaps between the claps."""
        return [round((b - a) * 1000 / sample_rate_hz) for a, b in itertools.pairwise(self.onsets)]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The identity of a model in answers and messages."""

    id: str
    version: str
    sha256: str
    """Of the network."""
    provider: str
    """What runs it, such as `cpu`."""


@dataclass(frozen=True, slots=True)
class SourceStats:
    """A source's state and what happened to it since the start, for health and metrics."""

    name: str
    spec: str
    """As configured, with any password masked."""
    state: SourceState
    detail: str
    """Why it is in this state, in one line; empty when all is well."""
    samples_total: int
    overflows_total: int
    gap_s_total: float
    clipped_s_total: float
    silent_s: float
    """Seconds of digital silence up to now."""
    last_block_age_s: float
    """Seconds since the last block; infinite before the first."""
    lag_s: float
    """Seconds of sound waiting to be analysed."""
    device: str = ""
    rate_hz: int = 0
    finished: bool = False
    """Whether the source came to its end: a file without loop, or an input that was closed."""
    lost: bool = False
    """Whether it was live sound that came to its end, which only a new start can bring back."""
    bad_samples_total: int = 0
    """Samples that were no numbers or far beyond full scale, and were replaced by silence."""
