"""The settings of what Tocsin does by itself: clap patterns, the away mode, and the actions of both."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, model_validator

from edge.section import (
    FilePath,
    Line,
    PathText,
    Probability,
    Secret,
    Section,
    Slug,
    Text,
    Topic,
    WebAddress,
)

_LATIN_1 = 0xFF
_CLAPS_OF = {"double": 2, "triple": 3}
SOUND = "sound"
"""The pattern that the away mode reports."""

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_Gap = Annotated[float, Field(gt=0.0, le=10.0)]
_Clock = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if twice := [name for n, name in enumerate(names) if name in names[:n]]:
        msg = f"names {twice[0]!r} twice"
        raise ValueError(msg)
    return names


_Actions = Annotated[tuple[Slug, ...], AfterValidator(_each_once)]


class ClapPattern(Section):
    """A number of claps, or a rhythm of gaps between them."""

    enabled: bool = Field(True, description="false forgets the pattern")
    claps: int | None = Field(None, ge=2, le=8, description="claps, with gaps of any length between the limits")
    rhythm: tuple[_Gap, ...] | None = Field(
        None, min_length=1, max_length=7, description="gaps between the claps, in multiples of the first or of tempo_s"
    )
    tolerance: float = Field(0.25, gt=0.0, le=0.5, description="share by which a gap of the rhythm may differ")
    tempo_s: float | None = Field(None, gt=0.0, le=4.0, description="seconds of a rhythm's 1; any tempo when not set")
    min_confidence: Probability = Field(0.5, description="how sure its claps must be on average, in log-odds")
    actions: _Actions = Field((), description="names of the actions to start")

    @model_validator(mode="after")
    def _one_kind(self) -> ClapPattern:
        if self.claps is not None and self.rhythm is not None:
            msg = "has both claps and rhythm; keep one of them"
            raise ValueError(msg)
        if self.tempo_s is not None and self.rhythm is None:
            msg = "has a tempo_s without a rhythm; add the rhythm or remove it"
            raise ValueError(msg)
        return self


class Claps(Section):
    """Clap patterns: claps that switch things."""

    enabled: bool = Field(True, description="listen for clap patterns")
    sources: tuple[Slug, ...] = Field((), description="names of the sources that take part; all when empty")
    bundle: PathText = Field("claps", description="id of an installed clap network, or a path to a folder")
    sensitivity: Probability = Field(0.5, description="higher hears fainter claps, and more that are none")
    min_gap_s: float = Field(0.12, ge=0.08, le=0.5, description="claps closer than this are one and its echo")
    max_gap_s: float = Field(0.8, ge=0.2, le=3.0, description="longest gap of a pattern that only counts claps")
    refractory_s: float = Field(
        1.0, ge=0.0, le=60.0, description="seconds after a pattern in which claps are not counted"
    )
    expire_s: float = Field(5.0, gt=0.0, le=600.0, description="seconds after which a pattern is too old to be sent")
    patterns: dict[Slug, ClapPattern] = Field(
        default_factory=lambda: {name: ClapPattern(claps=claps) for name, claps in _CLAPS_OF.items()},
        description="by name; double and triple are always there unless they are not enabled",
    )

    @model_validator(mode="before")
    @classmethod
    def _known_patterns(cls, values: Any) -> Any:  # noqa: ANN401 - as it comes from the file
        if not isinstance(values, dict) or not isinstance(values.get("patterns", {}), dict):
            return values
        given = dict(values.get("patterns", {}))
        for name, claps in _CLAPS_OF.items():
            pattern = given.setdefault(name, {})
            if isinstance(pattern, dict) and "claps" not in pattern and "rhythm" not in pattern:
                given[name] = {**pattern, "claps": claps}
        return {**values, "patterns": given}

    @model_validator(mode="after")
    def _whole(self) -> Claps:
        for name, pattern in self.patterns.items():
            if name == SOUND:
                msg = f"patterns.{name}: this name is the away mode's; choose another"
                raise ValueError(msg)
            if pattern.claps is None and pattern.rhythm is None:
                msg = f"patterns.{name}: needs claps = 2 to 8, or a rhythm such as [1, 0.5, 0.5]"
                raise ValueError(msg)
        if self.min_gap_s >= self.max_gap_s:
            msg = f"min_gap_s ({self.min_gap_s}) must be below max_gap_s ({self.max_gap_s})"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _possible(self) -> Claps:
        counted: dict[int, str] = {}
        for name, pattern in self.patterns.items():
            if pattern.claps and pattern.enabled and (other := counted.setdefault(pattern.claps, name)) != name:
                msg = f"patterns.{name}: {other} is {pattern.claps} claps as well; set enabled = false for one of them"
                raise ValueError(msg)
            shortest_s = min(pattern.rhythm or (), default=0.0) * (pattern.tempo_s or 0.0)
            if 0.0 < shortest_s < self.min_gap_s:
                msg = f"patterns.{name}: a gap of {shortest_s:.2g} s is below min_gap_s ({self.min_gap_s}), so an echo"
                raise ValueError(msg)
        return self


def _not_empty(span: Span) -> Span:
    if span.begin == span.end:
        msg = f"from and to are both {span.begin}; a span needs a length"
        raise ValueError(msg)
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
    actions: _Actions = Field((), description="names of the actions to start")


class Toggle(Section):
    """How to learn what a thing does now, so that its opposite can be asked for."""

    state_topic: Topic = Field(description="where the thing says its state")
    state_key: Text = Field("", description="key in a JSON state, such as state or POWER; the whole payload when empty")
    on: Text = Field("ON", description="state that means it is on")
    payload_on: Text = Field("ON", description="payload that switches it on")
    payload_off: Text = Field("OFF", description="payload that switches it off")


class MqttAction(Section):
    """Publish a message at the broker of this node."""

    type: Literal["mqtt"]
    topic: Topic = Field(description="topic to publish at")
    payload: Text = Field("", description="payload; $event $source $node $time are filled in")
    qos: Literal[0, 1] = Field(1, description="1 asks the broker to confirm")
    retain: bool = Field(False, description="whether the broker keeps the message")
    toggle: Toggle | None = Field(None, description="follow the thing's state and ask for the opposite, not payload")
    expire_s: float = Field(5.0, gt=0.0, le=3600.0, description="without the broker, tried for as long as this")

    @model_validator(mode="after")
    def _one_payload(self) -> MqttAction:
        if self.toggle is not None and self.payload:
            msg = "has both a payload and a toggle; the toggle has payloads of its own, so remove the payload"
            raise ValueError(msg)
        return self


def _sendable(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not (text.isprintable() or text.replace("\t", "").isprintable()) or any(ord(sign) > _LATIN_1 for sign in text):
        msg = "holds a sign that HTTP does not allow in a header"
        raise ValueError(msg)
    return value


_HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", max_length=256)]
_HeaderValue = Annotated[Secret, AfterValidator(_sendable)]


class WebhookAction(Section):
    """Call a web address."""

    type: Literal["webhook"]
    url: WebAddress = Field(description="http or https address")
    method: Literal["GET", "POST", "PUT"] = Field("POST", description="POST and PUT send JSON")
    headers: dict[_HeaderName, _HeaderValue] = Field(
        default_factory=dict, description="headers to add, such as Authorization"
    )
    body: Text | None = Field(None, description="instead of the event's JSON; $event $source $node $time are filled in")
    timeout_s: float = Field(5.0, gt=0.0, le=60.0, description="for one try")
    tries: int = Field(4, ge=1, le=20, description="at most, with growing waits between them")
    expire_s: float = Field(30.0, gt=0.0, le=3600.0, description="no try begins later than this after the event")


def _no_nul(text: str) -> str:
    if "\0" in text:
        msg = "must not hold a NUL character"
        raise ValueError(msg)
    return text


class CommandAction(Section):
    """Start a program; no shell is involved."""

    type: Literal["command"]
    command: tuple[Annotated[Text, AfterValidator(_no_nul)], ...] = Field(
        min_length=1, description="program and arguments; $event $source … in arguments"
    )
    timeout_s: float = Field(10.0, gt=0.0, le=600.0, description="after which it is killed")
    tries: int = Field(2, ge=1, le=20, description="at most, while it fails")
    expire_s: float = Field(30.0, gt=0.0, le=3600.0, description="no try begins later than this after the event")
    working_dir: FilePath | None = Field(None, description="folder to run in; the service's when not set")


Action = Annotated[MqttAction | WebhookAction | CommandAction, Field(discriminator="type")]
