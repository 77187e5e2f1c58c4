"""Records of the pipeline from samples to messages.

All but `NetworkState` are frozen. Time is a sample index at the front end's rate, counted from the start of the
stream. Lost samples are counted too, so that a jump of the index is a gap. UTC is added once, in the node.
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
    """The phase of an event that a message reports."""

    START = "start"
    UPDATE = "update"
    END = "end"


class SourceState(str, enum.Enum):
    """The state of a source, as published under ``{source}/status``."""

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
    """Index of the first sample; a jump from the last block's end is a gap."""


@dataclass(eq=False, slots=True)
class NetworkState:
    """The state of a streaming network within one stretch of sound without a gap.

    Only the network's classifier changes it.
    """

    vector: NDArray[np.float32] | None = None
    """Shape (state_size,); None before the stretch's first window."""


@dataclass(frozen=True, slots=True)
class MelWindow:
    """The input of the network for one decision."""

    features: NDArray[np.float32]
    """Shape (window_frames, n_mels)."""
    end: int
    """Sample index just after the window: the time of the decision."""
    heard: int
    """Received samples in the window; the others are silence for the time before the stream or a gap."""
    gap: bool
    """Whether samples were lost just before the received ones."""
    new_frames: int
    """Frames at the end of `features` that are new since the last window."""
    state: NetworkState
    """State of the stretch of the window; a gap starts another one."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Calibrated probabilities of one decision."""

    probabilities: NDArray[np.float32]
    """Shape (labels,), each between 0 and 1."""
    end: int
    heard: int
    gap: bool


@dataclass(frozen=True, slots=True)
class Level:
    """The level of a period, in dB re full scale plus the configured offset."""

    start: int
    end: int
    laeq_db: float
    lafmax_db: float
    l10_db: float
    l50_db: float
    l90_db: float


@dataclass(frozen=True, slots=True)
class Event:
    """One message about one event; all messages of an event share `event_id`."""

    event_id: str
    phase: Phase
    label: str
    score: float
    """Smoothed probability at the decision."""
    peak_score: float
    """Highest smoothed probability since the start."""
    onset: int
    """Sample index of the sound's beginning."""
    end: int | None
    """Sample index of the sound's end; None before it."""
    decided: int
    """Sample index of the decision behind this message."""
    laeq_db: float
    lafmax_db: float
    gap: bool = False
    """Whether samples were lost before or during the event."""


@dataclass(frozen=True, slots=True)
class Clap:
    """An onset that was confirmed as a clap."""

    at: int
    """Sample index of the onset."""
    confidence: float
    """Probability of a clap, between 0 and 1."""
    level_db: float
    """Peak level, in dB re full scale."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern of claps, or a sound of the away mode, reported or suppressed."""

    name: str
    """`double`, `triple`, a name from the settings, or `sound`."""
    onsets: tuple[int, ...]
    """Sample index of each clap, or of the sound's beginning."""
    decided: int
    """Sample index of the decision."""
    confidence: float
    """Mean confidence of the claps; for a sound, the share of energy above the background; between 0 and 1."""
    level_db: float = 0.0
    """Peak level of the faintest clap, in dB re full scale; 0 for a sound."""
    reason: str = ""
    """Reason to suppress the pattern, such as `applause`; empty if reported."""
    detail: str = ""
    """Detail for the log: the score behind the reason, or the sound's most likely label."""

    def compute_intervals_ms(self, sample_rate_hz: int) -> list[int]:
        """Return the gaps between the claps, in milliseconds."""
        return [round((b - a) * 1000 / sample_rate_hz) for a, b in itertools.pairwise(self.onsets)]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The identity of a model in answers and messages."""

    id: str
    version: str
    sha256: str
    """SHA-256 of the network's file, in hexadecimal digits."""
    provider: str
    """Execution provider, such as `cpu`."""


@dataclass(frozen=True, slots=True)
class SourceStats:
    """State and counts of a source since the start, for health and metrics."""

    name: str
    spec: str
    """As configured, with any password masked."""
    state: SourceState
    detail: str
    """Reason for the state, in one line; empty without a problem."""
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
    """Whether the source has ended: a file without loop, or a closed input."""
    lost: bool = False
    """Whether a live source has ended, which needs a restart of the service."""
    bad_samples_total: int = 0
    """Samples that were not finite or far beyond full scale, and were replaced by silence."""
