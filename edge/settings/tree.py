"""The tree of settings: frozen records with a default for every value.

Names contain the unit. `edge.settings.load` reads files and the environment; this module has no side effects.
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
    MqttText,
    PathText,
    PositiveSeconds,
    Secret,
    Section,
    Slug,
    Topic,
)

_LAT_LON = re.compile(r"\s*([+-]?\d+(?:\.\d*)?)\s*,\s*([+-]?\d+(?:\.\d*)?)\s*")
_LAT_MAX, _LON_MAX = 90, 180


def _check_location(value: str) -> str:
    """Refuse coordinates out of range; any other text is the name of a place."""
    if place := _LAT_LON.fullmatch(value):
        lat, lon = (float(part) for part in place.groups())
        if abs(lat) > _LAT_MAX or abs(lon) > _LON_MAX:
            msg = f"latitude must be from -{_LAT_MAX} to {_LAT_MAX} and longitude from -{_LON_MAX} to {_LON_MAX}"
            raise ValueError(msg)
    return value


Location = Annotated[Line, AfterValidator(_check_location)]


class Node(Section):
    """This node."""

    id: Slug | None = Field(
        None, description="name in topics and messages; default: the host name", examples=["street-12"]
    )
    location: Location = Field("", description="free text or 'latitude,longitude', part of every event")


class Source(Section):
    """An input of sound."""

    name: Slug = Field("mic", description="name in topics and messages")
    spec: Line = Field("mic", description="mic, mic:ID, file:PATH, rtsp://, http://, pcm:- or udp://:PORT")
    enabled: bool = Field(True, description="false: do not open the source")
    location: Location = Field("", description="location instead of the node's")


class Model(Section):
    """The model."""

    bundle: PathText = Field("city", description="id of an installed bundle, or path of a folder")
    provider: Literal["auto", "cpu", "cuda", "tensorrt"] = Field(
        "auto", description="execution provider of ONNX Runtime"
    )
    threads: int = Field(1, ge=1, le=64, description="CPU threads per inference")
    max_batch: int = Field(64, ge=1, le=1024, description="maximum number of windows per inference")
    cache_dir: FilePath | None = Field(
        None,
        description="folder of TensorRT engines; default: in the state folder",
        examples=["/var/lib/tocsin/tensorrt"],
    )


class LevelSettings(Section):
    """Sound levels."""

    enabled: bool = Field(True, description="publish levels once per second")
    calibration_offset_db: float | None = Field(
        None,
        ge=-100.0,
        le=300.0,
        description="dB SPL of a full-scale sine; not set: levels are in dB re full scale",
        examples=[120.0],
    )


class Privacy(Section):
    """Storage of sound."""

    keep_clips: bool = Field(False, description="allow clips: the node stores the sound of events")
    clip_before_s: float = Field(2.0, ge=0.0, le=30.0, description="seconds of a clip before the onset")
    clip_max_s: float = Field(15.0, gt=0.0, le=60.0, description="maximum duration of a clip, in seconds")


class Mqtt(Section):
    """The MQTT broker."""

    enabled: bool = Field(True, description="publish to the broker")
    host: Host = Field("127.0.0.1", description="name or address of the broker")
    port: int = Field(1883, ge=1, le=65535, description="port of the broker")
    version: Literal["3.1.1", "5"] = Field("3.1.1", description="version of the MQTT protocol")
    base: Topic = Field("tocsin", description="first part of every topic")
    client_id: MqttText = Field("", description="client id, unique at the broker; empty: tocsin-{node}")
    username: MqttText = Field("", description="user name; empty: none")
    password: Secret | None = Field(None, description="password; password_file is safer", examples=["correct horse"])
    password_file: FilePath | None = Field(
        None, description="file whose first line is the password", examples=["/etc/tocsin/mqtt_password"]
    )
    keepalive_s: int = Field(30, ge=5, le=3600, description="keep-alive interval, in seconds")
    tls: bool = Field(False, description="use TLS and check the broker's certificate")
    ca_file: FilePath | None = Field(
        None, description="file of the trusted authority; default: those of the system", examples=["/etc/tocsin/ca.pem"]
    )
    cert_file: FilePath | None = Field(
        None, description="file of the client certificate", examples=["/etc/tocsin/node.pem"]
    )
    key_file: FilePath | None = Field(
        None, description="file of the client certificate's key", examples=["/etc/tocsin/node.key"]
    )


class HomeAssistant(Section):
    """Discovery by Home Assistant."""

    enabled: bool = Field(False, description="announce sensors to Home Assistant")
    prefix: Topic = Field("homeassistant", description="discovery prefix of Home Assistant")


class Api(Section):
    """REST API and dashboard."""

    enabled: bool = Field(True, description="serve REST and the dashboard")
    host: Host = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8080, ge=0, le=65535, description="port to listen on; 0: any free port")
    token: Secret | None = Field(
        None,
        description="bearer token, required unless host is loopback; token_file is safer",
        examples=["battery staple"],
    )
    token_file: FilePath | None = Field(
        None, description="file whose first line is the bearer token", examples=["/etc/tocsin/api_token"]
    )
    max_upload_mb: int = Field(256, ge=1, le=1_000_000, description="maximum size of an upload, in MiB")
    max_clip_s: PositiveSeconds = Field(
        660.0, description="maximum duration of an upload, in seconds; less with many channels"
    )
    classify_queue: int = Field(128, ge=1, le=10_000, description="maximum number of waiting uploads")


class Storage(Section):
    """History, clips and outbox on disk."""

    path: FilePath | None = Field(
        None,
        description="state folder; default: $STATE_DIRECTORY, else ~/.local/state/tocsin",
        examples=["/var/lib/tocsin"],
    )
    retention_days: float = Field(
        90.0,
        gt=0.0,
        le=36_500.0,
        description="days after which events and clips are deleted, if the clock is synchronised",
    )
    max_events: int = Field(1_000_000, ge=100, le=1_000_000_000, description="maximum number of events")
    clips_max_mb: int = Field(512, ge=1, le=100_000_000, description="maximum size of all clips, in MiB")
    min_free_mb: int = Field(
        64,
        ge=0,
        le=100_000_000,
        description="disk space kept free, in MiB; with less, the node is not ready",
    )
    outbox_max: int = Field(
        200_000, ge=100, le=1_000_000_000, description="maximum number of waiting messages; then the oldest are dropped"
    )


class Telemetry(Section):
    """Metrics."""

    enabled: bool = Field(True, description="serve /metrics")


class Logging(Section):
    """The log, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="lowest level that is logged")
    format: Literal["text", "json"] = Field("text", description="format of a line")


class Settings(Section):
    """The whole configuration."""

    node: Node = Node()
    sources: tuple[Source, ...] = Field((Source(),), max_length=512)
    model: Model = Model()
    detection: Detection = Detection()
    claps: Claps = Claps()
    away: Away = Away()
    actions: dict[Slug, Action] = Field(default_factory=dict, description="actions that patterns start, by name")
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
    def _check_source_names(cls, value: tuple[Source, ...]) -> tuple[Source, ...]:
        names = [source.name for source in value]
        for n, name in enumerate(names):
            if name in names[:n]:
                msg = f"two sources are called {name}"
                raise InvalidValueError(msg, remedy="give each its own name", at=(n, "name"))
        return value

    @model_validator(mode="after")
    def _check_references(self) -> Settings:
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
