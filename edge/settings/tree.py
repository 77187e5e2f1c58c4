"""What can be set, as small frozen records with the unit in each name; every value has a default.

Reading files and the environment is `edge.settings.load`'s; nothing here has a side effect.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from edge.errors import suggest
from edge.settings.actions import Action
from edge.settings.away import Away
from edge.settings.claps import Claps
from edge.settings.detection import Detection
from edge.settings.invalid import InvalidValueError
from edge.settings.section import (
    FilePath,
    Host,
    Line,
    LongerThanNothing,
    MqttText,
    PathText,
    Secret,
    Section,
    Slug,
    Topic,
)

_LAT_LON = re.compile(r"\s*([+-]?\d+(?:\.\d*)?)\s*,\s*([+-]?\d+(?:\.\d*)?)\s*")
_LAT_MAX, _LON_MAX = 90, 180


def _place(value: str) -> str:
    """Refuse two numbers that are no place on Earth; any other text is a place's name."""
    if place := _LAT_LON.fullmatch(value):
        lat, lon = (float(part) for part in place.groups())
        if abs(lat) > _LAT_MAX or abs(lon) > _LON_MAX:
            msg = f"latitude must be from -{_LAT_MAX} to {_LAT_MAX} and longitude from -{_LON_MAX} to {_LON_MAX}"
            raise ValueError(msg)
    return value


Location = Annotated[Line, AfterValidator(_place)]


class Node(Section):
    """The box itself."""

    id: Slug | None = Field(
        None, description="name in topics and messages; the host name when not set", examples=["street-12"]
    )
    location: Location = Field("", description="free text or 'lat,lon', sent with every event")


class Source(Section):
    """One input of sound."""

    name: Slug = Field("mic", description="name in topics and messages")
    spec: Line = Field("mic", description="mic, mic:ID, file:PATH, rtsp://, http://, pcm:- or udp://:PORT")
    enabled: bool = Field(True, description="false keeps it in the configuration but closed")
    location: Location = Field("", description="overrides the node's location")


class Model(Section):
    """The network."""

    bundle: PathText = Field("city", description="id of an installed bundle, or a path to a folder")
    provider: Literal["auto", "cpu", "cuda", "tensorrt"] = Field("auto", description="where it runs")
    threads: int = Field(1, ge=1, le=64, description="processor threads for one inference")
    max_batch: int = Field(64, ge=1, le=1024, description="windows in one inference")
    cache_dir: FilePath | None = Field(
        None, description="TensorRT engines; beside the database when not set", examples=["/var/lib/tocsin/tensorrt"]
    )


class LevelSettings(Section):
    """Sound level."""

    enabled: bool = Field(True, description="publish levels once a second")
    calibration_offset_db: float | None = Field(
        None,
        ge=-100.0,
        le=300.0,
        description="dB SPL of a full-scale sine's mean square; without it levels are dB re full scale",
        examples=[120.0],
    )


class Privacy(Section):
    """What of the sound is kept."""

    keep_clips: bool = Field(False, description="allow the sound of events to be stored on the node")
    clip_before_s: float = Field(2.0, ge=0.0, le=30.0, description="seconds kept before the onset")
    clip_max_s: float = Field(15.0, gt=0.0, le=60.0, description="longest clip")


class Mqtt(Section):
    """The broker."""

    enabled: bool = Field(True, description="publish over MQTT")
    host: Host = Field("127.0.0.1", description="broker's name or address")
    port: int = Field(1883, ge=1, le=65535, description="broker's port")
    version: Literal["3.1.1", "5"] = Field("3.1.1", description="protocol version")
    base: Topic = Field("tocsin", description="first part of every topic")
    client_id: MqttText = Field("", description="tocsin-{node} when not set; no other client may have it")
    username: MqttText = Field("", description="empty for none")
    password: Secret | None = Field(None, description="better in password_file", examples=["correct horse"])
    password_file: FilePath | None = Field(
        None, description="file whose first line is the password", examples=["/etc/tocsin/mqtt_password"]
    )
    keepalive_s: int = Field(30, ge=5, le=3600, description="seconds between signs of life")
    tls: bool = Field(False, description="encrypt, and check the broker's certificate")
    ca_file: FilePath | None = Field(
        None, description="authority to trust; the system's when not set", examples=["/etc/tocsin/ca.pem"]
    )
    cert_file: FilePath | None = Field(None, description="client certificate", examples=["/etc/tocsin/node.pem"])
    key_file: FilePath | None = Field(
        None, description="key of the client certificate", examples=["/etc/tocsin/node.key"]
    )


class HomeAssistant(Section):
    """Discovery by Home Assistant."""

    enabled: bool = Field(False, description="announce sensors to Home Assistant")
    prefix: Topic = Field("homeassistant", description="discovery prefix set in Home Assistant")


class Api(Section):
    """The web side."""

    enabled: bool = Field(True, description="serve REST and the dashboard")
    host: Host = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8080, ge=0, le=65535, description="port to listen on; 0 takes any free one")
    token: Secret | None = Field(
        None, description="better in token_file; needed off loopback", examples=["battery staple"]
    )
    token_file: FilePath | None = Field(
        None, description="file whose first line is the bearer token", examples=["/etc/tocsin/api_token"]
    )
    max_upload_mb: int = Field(256, ge=1, le=1_000_000, description="largest upload, in MiB")
    max_clip_s: LongerThanNothing = Field(
        660.0, description="longest upload, in seconds of sound; less of many channels"
    )
    classify_queue: int = Field(128, ge=1, le=10_000, description="uploads that may wait")


class Storage(Section):
    """The history."""

    path: FilePath | None = Field(
        None,
        description="folder of database and clips; $STATE_DIRECTORY or ~/.local/state/tocsin",
        examples=["/var/lib/tocsin"],
    )
    retention_days: float = Field(
        90.0, gt=0.0, le=36_500.0, description="older events and clips go, where the clock is right"
    )
    max_events: int = Field(1_000_000, ge=100, le=1_000_000_000, description="events kept at most")
    clips_max_mb: int = Field(512, ge=1, le=100_000_000, description="clips kept at most, in MiB")
    min_free_mb: int = Field(
        64,
        ge=0,
        le=100_000_000,
        description="MiB of disk that clips and uploads leave free; below it the node is not ready",
    )
    outbox_max: int = Field(
        200_000, ge=100, le=1_000_000_000, description="messages that may wait for the broker; then the oldest go"
    )


class Telemetry(Section):
    """Metrics."""

    enabled: bool = Field(True, description="serve /metrics")


class Logging(Section):
    """The log, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severe line shown")
    format: Literal["text", "json"] = Field("text", description="how a line looks")


class Settings(Section):
    """The whole configuration."""

    node: Node = Node()
    sources: tuple[Source, ...] = Field((Source(),), max_length=512)
    model: Model = Model()
    detection: Detection = Detection()
    claps: Claps = Claps()
    away: Away = Away()
    actions: dict[Slug, Action] = Field(default_factory=dict, description="what patterns start, by name")
    level: LevelSettings = LevelSettings()
    privacy: Privacy = Privacy()
    mqtt: Mqtt = Mqtt()
    homeassistant: HomeAssistant = HomeAssistant()
    api: Api = Api()
    storage: Storage = Storage()
    telemetry: Telemetry = Telemetry()
    logging: Logging = Logging()

    @field_validator("sources")
    @classmethod
    def _distinct_names(cls, value: tuple[Source, ...]) -> tuple[Source, ...]:
        names = [source.name for source in value]
        for n, name in enumerate(names):
            if name in names[:n]:
                msg = f"two sources are called {name}"
                raise InvalidValueError(msg, remedy="give each its own name", at=(n, "name"))
        return value

    @model_validator(mode="after")
    def _known_names(self) -> Settings:
        wanted = {f"claps.patterns.{name}.actions": p.actions for name, p in self.claps.patterns.items()}
        for where, names in {**wanted, "away.actions": self.away.actions}.items():
            if unknown := [name for name in names if name not in self.actions]:
                msg = f"there is no action {unknown[0]!r}"
                raise InvalidValueError(msg, key=where, remedy=suggest(unknown[0], list(self.actions)))
        sent = {name for name, action in self.actions.items() if action.type == "mqtt"}
        for where, names in {**wanted, "away.actions": self.away.actions}.items():
            if not self.mqtt.enabled and (unsent := sorted(sent.intersection(names))):
                msg = f"{unsent[0]!r} needs the broker, but mqtt.enabled is false"
                raise InvalidValueError(msg, key=where)
        sources = [source.name for source in self.sources]
        for where, names in {"claps.sources": self.claps.sources, "away.sources": self.away.sources}.items():
            if unknown := [name for name in names if name not in sources]:
                msg = f"there is no source {unknown[0]!r}"
                raise InvalidValueError(msg, key=where, remedy=suggest(unknown[0], sources))
        return self
