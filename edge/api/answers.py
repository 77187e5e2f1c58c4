"""Records of what a node hears: live frames, classified clips and pages of the history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import ConfigDict, Field

from edge.api.records import ModelIdentity, Probability, Time
from edge.api.schema import describe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CloudEvent = dict[str, Any]
"""A message as it was written: a JSON object that follows `edge.publish.payload.event_schema`."""
EventItem = dict[str, Any]
"""An event in the history: the figures of its last message, its highest score, and that message as `event`."""
EventDetail = dict[str, Any]
"""An event as an `EventItem`, with all its messages, in order, as `messages`."""

_LEVELS = {"background": -52.5, "threshold": -40.5, "restless": False}
_EVENT = {"label": "siren", "onset_s": 0.48, "offset_s": 2.9, "score": 0.96}
_SCORE = {"label": "siren", "score": 0.96}
_TIMING = {"inference": 12.25, "total": 21.5}
_ANSWER = {
    "model": {"id": "city", "version": "0.2.0", "sha256": "0" * 64, "provider": "cpu"},
    "duration_s": 3.2,
    "sample_rate": 48000,
    "labels": [_SCORE, {"label": "traffic", "score": 0.41}],
    "events": [_EVENT],
    "timing_ms": _TIMING,
}
FRAME: dict[str, Any] = {
    "source": "mic",
    "time": "2026-05-01T12:00:00.125Z",
    "scores": {"siren": 0.91, "traffic": 0.2},
    "laeq": -31.5,
    "mel": [0, 12, 40, 255],
}
"""An example of a live frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AwayLevels:
    """The levels that the away mode compares a source with, in dB as `laeq`."""

    __pydantic_config__: ClassVar[ConfigDict] = describe(_LEVELS)

    background: float
    """Level of the background."""
    threshold: float
    """Level from which a sound is reported; higher in a restless place."""
    restless: bool
    """Whether the background changes so much that the threshold is raised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFrame:
    """The scores and levels of a source at one moment."""

    __pydantic_config__: ClassVar[ConfigDict] = describe(FRAME)

    source: str
    """Name of the source."""
    time: Time
    """End of the sound that was scored."""
    scores: dict[str, Probability]
    """Probability of each label."""
    laeq: float
    """A-weighted level in dB."""
    mel: list[Annotated[int, Field(ge=0, le=255)]]
    """Newest column of the mel spectrogram, lowest band first, from silence (0) to full scale (255)."""
    away: AwayLevels | None = None
    """Levels of the away mode; absent where it does not watch the source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScore:
    """A label and its score in a clip."""

    __pydantic_config__: ClassVar[ConfigDict] = describe(_SCORE)

    label: str
    """Label of the model."""
    score: Probability
    """Probability that the sound is anywhere in the clip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipEvent:
    """A sound in a clip."""

    __pydantic_config__: ClassVar[ConfigDict] = describe(_EVENT)

    label: str
    """Label of the sound."""
    onset_s: float
    """Begin in seconds from the start of the clip."""
    offset_s: float
    """End in seconds from the start of the clip."""
    score: Probability
    """Highest smoothed probability."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipTiming:
    """The time that the answer took, in milliseconds."""

    __pydantic_config__: ClassVar[ConfigDict] = describe(_TIMING)

    inference: float
    """Time in the network."""
    total: float
    """Time from decoding to the answer, without the wait before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipAnswer:
    """The labels and events of a clip."""

    __pydantic_config__: ClassVar[ConfigDict] = describe(_ANSWER)

    model: ModelIdentity
    """Model that was used."""
    duration_s: float
    """Length of the clip in seconds."""
    sample_rate: int
    """Sample rate of the clip in Hz."""
    labels: list[LabelScore]
    """Labels, best first."""
    events: list[ClipEvent]
    """Sounds in the clip, in order of their ends."""
    remark: str | None = None
    """Remark on the sound, such as silence or damage; absent without one."""
    timing_ms: ClipTiming
    """Time that the answer took."""


@dataclass(frozen=True, slots=True)
class EventPage:
    """A page of the history, newest event first. `edge.api.components` describes it."""

    items: Sequence[EventItem]
    """One item per event."""
    next_cursor: str | None
    """Cursor of the next page; None on the last."""


def read_clip_answer(found: Mapping[str, Any]) -> ClipAnswer:
    """Return the record of an answer of `edge.pipeline.clip.ClipClassifier`."""
    return ClipAnswer(
        **{
            **found,
            "model": ModelIdentity(**found["model"]),
            "labels": [LabelScore(**label) for label in found["labels"]],
            "events": [ClipEvent(**event) for event in found["events"]],
            "timing_ms": ClipTiming(**found["timing_ms"]),
        }
    )
