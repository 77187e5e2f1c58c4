"""CloudEvents 1.0 objects of events and patterns. Pure: every time and id is an argument."""

from __future__ import annotations

import functools
import json
from dataclasses import asdict, dataclass
from datetime import timedelta
from importlib import resources
from typing import TYPE_CHECKING, Any

from edge.clock import format_rfc3339, parse_rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from edge.types import Event, ModelInfo, Pattern


@dataclass(frozen=True)
class EventContext:
    """The properties of a message that do not change during an event."""

    node: str
    source_name: str
    location: str
    model: ModelInfo
    calibrated: bool
    clock_synced: bool
    severity: str


@dataclass(frozen=True)
class Stamp:
    """The identity of a message: id, sequence and time of recording."""

    id: str
    sequence: int
    recorded: datetime


def cloud_event(
    event: Event,
    context: EventContext,
    stamp: Stamp,
    *,
    onset: datetime,
    rate_hz: int,
    clip: str | None = None,
) -> dict[str, Any]:
    """Return the message of an event with its onset at `onset`.

    The event's sample indices are at `rate_hz`. ``time`` is when it began, was decided, or ended, by the phase.
    ``duration_s`` is the duration so far, or the final one. All durations are counted in samples: setting the clock
    does not change them.
    """
    lasted_s = _measure_s(event.onset, event.decided if event.end is None else event.end, rate_hz)
    until = onset + timedelta(seconds=lasted_s)
    phase = event.phase.value
    moment = onset if phase == "start" else until
    return {
        **_make_envelope(context, stamp, subject=event.label, kind=f"io.tocsin.sound.{phase}.v1", moment=moment),
        "data": {
            "event_id": event.event_id,
            "phase": phase,
            "label": event.label,
            "score": round(event.score, 4),
            "peak_score": round(event.peak_score, 4),
            "onset_time": format_rfc3339(onset),
            "end_time": None if event.end is None else format_rfc3339(until),
            "duration_s": lasted_s,
            "laeq": round(event.laeq_db, 1),
            "lafmax": round(event.lafmax_db, 1),
            **_make_context_fields(context),
            "gap": event.gap,
            "clip": clip,
        },
    }


def pattern_event(
    pattern: Pattern,
    context: EventContext,
    stamp: Stamp,
    *,
    first: datetime,
    rate_hz: int,
) -> dict[str, Any]:
    """Return the single message of a pattern, or of a sound in the away mode.

    `first` is when its first clap or the sound began; its sample indices are at `rate_hz`. ``time`` is the onset of the
    last clap, or of the sound. A pattern ends with its last clap; a sound ends, as far as is known, when it is decided.
    """
    intervals_ms = pattern.compute_intervals_ms(rate_hz)
    last = first + timedelta(milliseconds=sum(intervals_ms))
    lasted_s = sum(intervals_ms) / 1000 if intervals_ms else _measure_s(pattern.onsets[0], pattern.decided, rate_hz)
    confidence = round(pattern.confidence, 4)
    return {
        **_make_envelope(context, stamp, subject=pattern.name, kind="io.tocsin.pattern.v1", moment=last),
        "data": {
            "event_id": stamp.id,
            "phase": "end",
            "label": pattern.name,
            "score": confidence,
            "peak_score": confidence,
            "onset_time": format_rfc3339(first),
            "end_time": format_rfc3339(first + timedelta(seconds=lasted_s)),
            "duration_s": lasted_s,
            "intervals_ms": intervals_ms,
            "confidence": confidence,
            "laeq": None,
            "lafmax": None,
            **_make_context_fields(context),
            "gap": False,
            "clip": None,
        },
    }


def pattern_message(name: str, last: datetime, intervals_ms: Sequence[int], confidence: float) -> dict[str, Any]:
    """Return the message for a source's clap topic; `last` is the last clap's time."""
    return {
        "event_type": name,
        "time": format_rfc3339(last),
        "intervals_ms": list(intervals_ms),
        "confidence": round(confidence, 4),
    }


def _measure_s(begin: int, end: int, rate_hz: int) -> float:
    """Return the duration of samples in seconds, rounded to the millisecond as times are."""
    return round(max(0, end - begin) / rate_hz, 3)


def _make_envelope(context: EventContext, stamp: Stamp, *, subject: str, kind: str, moment: datetime) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": stamp.id,
        "source": f"urn:tocsin:{context.node}:{context.source_name}",
        "subject": subject,
        "type": kind,
        "time": format_rfc3339(moment),
        "recordedtime": format_rfc3339(stamp.recorded),
        "sequence": f"{stamp.sequence:020d}",
        "datacontenttype": "application/json",
    }


def _make_context_fields(context: EventContext) -> dict[str, Any]:
    return {
        "calibrated": context.calibrated,
        "node": context.node,
        "source_name": context.source_name,
        "location": context.location,
        "severity": context.severity,
        "model": asdict(context.model),
        "clock": {"synced": context.clock_synced},
    }


def make_ending(last: Mapping[str, Any], stamp: Stamp) -> dict[str, Any]:
    """Return the `end` of an event whose process was killed after the message `last`.

    The event ends where the last message ends; the time after it is a gap.
    """
    data = last["data"]
    end = format_rfc3339(parse_rfc3339(data["onset_time"]) + timedelta(seconds=data["duration_s"]))
    return {
        **last,
        "id": stamp.id,
        "type": "io.tocsin.sound.end.v1",
        "time": end,
        "recordedtime": format_rfc3339(stamp.recorded),
        "sequence": f"{stamp.sequence:020d}",
        "data": {
            **data,
            "phase": "end",
            "end_time": end,
            "gap": True,
        },
    }


@functools.lru_cache(maxsize=1)
def event_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the messages."""
    text = resources.files("edge.publish").joinpath("event.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
