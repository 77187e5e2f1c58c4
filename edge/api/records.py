"""Records of a node's state: sources, models, broker, away mode and health.

They are frozen and need no FastAPI: a node makes them before its web side is loaded. Nothing is validated on the way
out, for a name may hold bytes that are no Unicode, and a figure may be NaN (`edge.jsontext`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

from edge.api.schema import describe
from edge.types import SourceState

Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""An RFC 3339 time in UTC."""
Provider = Literal["cpu", "cuda", "tensorrt"]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]

_CITY = {"id": "city", "version": "0.2.0", "sha256": "0" * 64, "provider": "cpu"}
_SOURCE: dict[str, Any] = {
    "name": "yard",
    "spec": "rtsp://camera/1",
    "state": "offline",
    "detail": "the camera does not answer; trying again in 12 s",
    "device": "",
    "rate_hz": 0,
    "samples": 9_600_000,
    "overflows": 0,
    "gap_s": 1.25,
    "clipped_s": 0.0,
    "silent_s": 0.0,
    "last_audio_s": 60.5,
    "lag_s": 0.0,
    "laeq": -31.5,
    "scores": {"siren": 0.02, "traffic": 0.41},
}
_MODEL = {
    **_CITY,
    "labels": ["siren", "traffic", "background"],
    "alerts": ["siren"],
    "window_s": 1.92,
    "measured": {"siren": {"clips": 40, "average_precision": 0.97}},
}
_BUNDLE = {
    "id": "city",
    "version": "0.2.0",
    "path": "/usr/lib/tocsin/edge/models/city",
    "shipped": True,
    "active": True,
    "sha256": "0" * 64,
    "task": "events",
    "labels": ["siren", "traffic", "background"],
    "problem": "",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """A source: its state, and its figures since the start."""

    __pydantic_config__: ClassVar[ConfigDict] = describe(_SOURCE)

    name: str
    """Name in topics, messages and filters."""
    spec: str
    """Kind and address as configured, with any password masked."""
    state: SourceState
    """Present state."""
    detail: str
    """Reason of the state in one line; empty when all is well."""
    device: str
    """Device or stream that delivers the sound; empty before it is open."""
    rate_hz: int
    """Sample rate of the device; 0 before it is open."""
    samples: int
    """Samples received since the start, at the rate of the front end."""
    overflows: int
    """Times that sound was lost because it was read too late."""
    gap_s: float
    """Seconds of sound that were lost."""
    clipped_s: float
    """Seconds of sound that were too loud for the device."""
    silent_s: float
    """Seconds of digital silence up to now."""
    last_audio_s: float | None
    """Seconds since the last sound was delivered; null before the first."""
    lag_s: float
    """Seconds of sound that wait to be analysed."""
    laeq: float
    """A-weighted level now, in dB."""
    scores: dict[str, Probability]
    """Latest probability of each label; empty before the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The sources of the node."""

    __pydantic_config__: ClassVar[ConfigDict] = describe({"items": [_SOURCE]})

    items: list[SourceStatus]
    """Sources in the order of the configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelIdentity:
    """The identity of a model in use."""

    __pydantic_config__: ClassVar[ConfigDict] = describe(_CITY)

    id: str
    """Name of the bundle."""
    version: str
    """Version of the bundle."""
    sha256: str
    """Checksum of the network."""
    provider: Provider
    """Processor that runs the network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveModel:
    """The model in use: its identity, labels and figures."""

    __pydantic_config__: ClassVar[ConfigDict] = describe(_MODEL)

    id: str
    """Name of the bundle."""
    version: str
    """Version of the bundle."""
    sha256: str
    """Checksum of the network."""
    provider: Provider
    """Processor that runs the network."""
    labels: list[str]
    """Labels that the model scores."""
    alerts: list[str]
    """Labels that make events."""
    window_s: float
    """Seconds of sound behind one decision."""
    measured: dict[str, Any]
    """Figures of the model on recordings that it was not trained on, by label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleEntry:
    """A model bundle on the device."""

    __pydantic_config__: ClassVar[ConfigDict] = describe(_BUNDLE)

    id: str
    """Name of the bundle."""
    version: str
    """Version of the bundle."""
    path: str
    """Folder of the bundle."""
    shipped: bool
    """Whether it came with Tocsin."""
    active: bool
    """Whether it is in use."""
    sha256: str | None = None
    """Checksum of the network; absent for a damaged bundle."""
    task: str | None = None
    """Purpose of the network: `events` or `claps`; absent for a damaged bundle."""
    labels: list[str] | None = None
    """Labels that the network scores; absent for a damaged bundle."""
    problem: str
    """Reason why it cannot be used; empty when it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """The model in use and the bundles on the device."""

    __pydantic_config__: ClassVar[ConfigDict] = describe({"active": _MODEL, "items": [_BUNDLE]})

    active: ActiveModel
    """Model in use."""
    items: list[BundleEntry]
    """Bundles on the device, installed ones first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerStatus:
    """The connection to the MQTT broker and the messages that wait for it."""

    __pydantic_config__: ClassVar[ConfigDict] = describe(
        {"enabled": True, "connected": False, "broker": "127.0.0.1:1883", "waiting": 12, "oldest_s": 40.5}
    )

    enabled: bool
    """Whether the node publishes at a broker."""
    connected: bool
    """Whether the broker has accepted the node."""
    broker: str
    """Host and port of the broker."""
    waiting: int
    """Messages that wait for the broker."""
    oldest_s: float
    """Age of the oldest message in seconds; 0 when none waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AwayStatus:
    """The away mode."""

    __pydantic_config__: ClassVar[ConfigDict] = describe(
        {"enabled": True, "state": "ON", "armed": False, "arming_until": "2026-05-01T12:00:30Z", "quiet": False}
    )

    enabled: bool
    """Whether the node has an away mode."""
    state: Literal["ON", "OFF"]
    """Whether the away mode is on."""
    armed: bool
    """Whether the node reports any sound now."""
    arming_until: Time | None
    """End of the delay in which a person can leave; null without one."""
    quiet: bool
    """Whether it is a quiet time, in which nothing is reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """A node in order."""

    __pydantic_config__: ClassVar[ConfigDict] = describe({"status": "ok"})

    status: Literal["ok"] = "ok"
    """Always `ok`; anything else is a problem."""
