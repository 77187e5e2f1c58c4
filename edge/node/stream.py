"""A source with its pipeline, its recent sound and its live frames."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from edge.api.answers import AwayLevels, LiveFrame
from edge.clock import format_rfc3339
from edge.types import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from edge.audio.runner import SourceRunner
    from edge.pipeline.pipeline import Pipeline
    from edge.settings.tree import Privacy
    from edge.types import AudioBlock, Event, MelWindow

_MEL_TOP = 255
_NO_SOUND = np.empty(0, np.float32)


class History:
    """The last seconds of a stream's sound, for clips of events.

    Only a stream with clips enabled has one.
    """

    def __init__(self, seconds: float, rate_hz: int) -> None:
        """Keep at least `seconds`."""
        self._limit = round(seconds * rate_hz)
        self._blocks: deque[AudioBlock] = deque()

    def push(self, block: AudioBlock) -> None:
        """Add a block and drop those that are too old."""
        self._blocks.append(block)
        while self._blocks and block.start - self._blocks[0].start > self._limit:
            self._blocks.popleft()

    def cut(self, start: int, end: int) -> NDArray[np.float32]:
        """Return the kept samples from `start` to `end`, shape (n,)."""
        parts = [b.samples[max(0, start - b.start) : max(0, end - b.start)] for b in self._blocks if b.start < end]
        return np.concatenate(parts) if parts else _NO_SOUND


@dataclass
class Stream:
    """A source and its pipeline."""

    runner: SourceRunner
    pipeline: Pipeline
    renew: Callable[[], Pipeline]
    """Makes a new pipeline after a fault."""
    history: History | None = None
    clips: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    """The sound so far of current events whose rule keeps clips, by event id."""
    expected: int = 0
    was_up: bool = False
    flushed: bool = False
    latest: NDArray[np.float32] | None = None
    """The last probabilities, shape (labels,)."""
    broken: bool = False
    """Whether a fault occurred in this turn: windows of before it are not for the new pipeline."""
    faults: set[type[Exception]] = field(default_factory=set)
    """The types of faults that were logged with a traceback."""

    @property
    def name(self) -> str:
        """The source's name."""
        return self.runner.name

    def update_clip(self, event: Event, privacy: Privacy) -> NDArray[np.float32] | None:
        """Update the sound of an event from the history; return it at the event's end."""
        if self.history is None:
            return None
        rate_hz = self.pipeline.params.sample_rate_hz
        begin = max(0, event.onset - round(privacy.clip_before_s * rate_hz))
        end = min(event.end or event.decided, begin + round(privacy.clip_max_s * rate_hz))
        clip = max(self.clips.pop(event.event_id, _NO_SOUND), self.history.cut(begin, end), key=len)
        if event.phase is Phase.END:
            return clip
        self.clips[event.event_id] = clip
        return None


def live_frame(stream: Stream, window: MelWindow, row: NDArray[np.float32], labels: Sequence[str]) -> LiveFrame:
    """Return a window's scores, shape (labels,), levels and mel bands."""
    params = stream.pipeline.params
    newest = window.features[-params.decision_frames :].max(axis=0)
    low, high = params.silence, params.offset * params.scale  # silence, and a band at full scale
    mel = ((newest - low) / (high - low) * _MEL_TOP).clip(0, _MEL_TOP).astype(np.uint8)
    away = stream.pipeline.describe_away_levels()
    return LiveFrame(
        source=stream.name,
        time=format_rfc3339(stream.runner.timeline.utc(window.end)),
        scores=round_scores(labels, row),
        laeq=round(stream.pipeline.meter.read_current_db(), 1),
        mel=mel.tolist(),
        away=AwayLevels(**away) if away else None,
    )


def round_scores(labels: Sequence[str], row: NDArray[np.float32]) -> dict[str, float]:
    """Return probabilities, shape (labels,), by label, as answers have them."""
    return {label: round(p, 4) for label, p in zip(labels, row.tolist(), strict=True)}
