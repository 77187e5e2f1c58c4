"""The settings of the away mode."""

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


def _not_empty(span: Span) -> Span:
    if span.begin == span.end:
        msg = f"from and to are both {span.begin}"
        raise InvalidValueError(msg, remedy="set different times")
    return span


class Span(Section):
    """A time of day, in the node's time zone; one that ends before it begins goes on over midnight."""

    begin: _Clock = Field(alias="from", description="HH:MM")
    end: _Clock = Field(alias="to", description="HH:MM")
    days: tuple[Day, ...] = Field(
        ("mon", "tue", "wed", "thu", "fri", "sat", "sun"), min_length=1, description="days on which it begins"
    )

    @property
    def begin_time(self) -> dt.time:
        """When it begins."""
        return dt.time.fromisoformat(self.begin)

    @property
    def end_time(self) -> dt.time:
        """When it ends."""
        return dt.time.fromisoformat(self.end)


_Span = Annotated[Span, AfterValidator(_not_empty)]


class Away(Section):
    """Away mode: any sound that stands out of the background is reported."""

    enabled: bool = Field(True, description="have an away mode, off until switched by MQTT, REST, CLI or the schedule")
    sources: tuple[Slug, ...] = Field((), description="names of the sources that take part; all when empty")
    arming_s: float = Field(30.0, ge=0.0, le=3600.0, description="seconds from switching it on until it listens")
    margin_db: float = Field(10.0, ge=3.0, le=60.0, description="dB above the background that stand out")
    min_duration_s: float = Field(0.1, ge=0.0, le=10.0, description="seconds a sound must stand out")
    background_s: float = Field(30.0, ge=5.0, le=600.0, description="seconds in which the background is learnt")
    quiet_s: float = Field(5.0, ge=0.0, le=3600.0, description="seconds of background before the next report")
    ignore: tuple[Line, ...] = Field((), description="labels of the model that do not count, such as dog")
    ignore_score: Probability = Field(0.5, description="score from which an ignored label is believed")
    schedule: tuple[_Span, ...] = Field((), description="when it is switched on and off by itself")
    quiet_hours: tuple[_Span, ...] = Field((), description="when nothing is reported although it is on")
    actions: ActionNames = Field((), description="names of the actions to start", examples=[["alarm"]])
