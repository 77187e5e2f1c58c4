"""Settings of the away mode."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from edge.settings.invalid import InvalidValueError
from edge.settings.section import ActionNames, Line, Probability, Section, Slug

SOUND = "sound"
"""The pattern that the away mode reports."""

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_Clock = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


def _check_span(span: Span) -> Span:
    if span.begin == span.end:
        msg = f"from and to are both {span.begin}"
        raise InvalidValueError(msg, remedy="set different times")
    return span


class Span(Section):
    """A span of the day in the node's time zone.

    A span whose end is before its begin continues after midnight.
    """

    begin: _Clock = Field(alias="from", description="HH:MM")
    end: _Clock = Field(alias="to", description="HH:MM")
    days: tuple[Day, ...] = Field(
        ("mon", "tue", "wed", "thu", "fri", "sat", "sun"), min_length=1, description="days on which the span begins"
    )

    @property
    def begin_time(self) -> dt.time:
        """The time of day at which it begins."""
        return dt.time.fromisoformat(self.begin)

    @property
    def end_time(self) -> dt.time:
        """The time of day at which it ends."""
        return dt.time.fromisoformat(self.end)


_Span = Annotated[Span, AfterValidator(_check_span)]


class Away(Section):
    """Away mode: reports any sound above the background."""

    enabled: bool = Field(True, description="offer the away mode; MQTT, REST, CLI or the schedule switch it on")
    sources: tuple[Slug, ...] = Field((), description="names of the sources that take part; empty: all")
    arming_s: float = Field(30.0, ge=0.0, le=3600.0, description="delay between switching on and listening, in seconds")
    margin_db: float = Field(10.0, ge=3.0, le=60.0, description="reported level above the background, in dB")
    min_duration_s: float = Field(
        0.1, ge=0.0, le=10.0, description="minimum duration of a sound above the background, in seconds"
    )
    background_s: float = Field(
        30.0, ge=5.0, le=600.0, description="seconds of sound that the background is estimated from"
    )
    quiet_s: float = Field(5.0, ge=0.0, le=3600.0, description="seconds of background required before the next report")
    ignore: tuple[Line, ...] = Field((), description="labels of the model that are not reported, such as dog")
    ignore_score: Probability = Field(0.5, description="score from which an ignored label suppresses a report")
    schedule: tuple[_Span, ...] = Field((), description="times when it is on automatically")
    quiet_hours: tuple[_Span, ...] = Field((), description="times when nothing is reported")
    actions: ActionNames = Field((), description="names of the actions to start", examples=[["alarm"]])
