"""What the node is and has: `/sources`, `/models`, `/mqtt`, `/config` and the schema of its messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from edge.api.encode import NodeJson
from edge.publish.payload import event_schema

if TYPE_CHECKING:
    from edge.api.ports import NodeApi


class SourceItem(BaseModel):
    """One input and how it is."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "name": "yard",
                    "spec": "rtsp://camera/1",
                    "state": "offline",
                    "detail": "the camera does not answer; trying again in 12 s",
                    "device": "",
                    "rate_hz": 0,
                    "last_audio_s": 60.5,
                    "lag_s": 0.0,
                }
            ]
        },
    )

    name: str
    spec: str
    state: Literal["online", "silent", "clipping", "offline", "disabled"]
    detail: str = Field(description="why it is in this state; empty when all is well")
    device: str
    rate_hz: int
    last_audio_s: float | None = Field(description="seconds since it last delivered sound")
    lag_s: float = Field(description="seconds of sound that wait to be analysed")


class Sources(BaseModel):
    """The inputs and how they are."""

    items: list[SourceItem]


class ModelItem(BaseModel):
    """The model at work."""

    model_config = ConfigDict(extra="allow")

    id: str
    version: str
    sha256: str
    provider: Literal["cpu", "cuda", "tensorrt"]
    labels: list[str]


class Models(BaseModel):
    """The bundles on this node, and which of them is at work."""

    active: ModelItem
    items: list[dict[str, Any]]


class Mqtt(BaseModel):
    """The connection to the broker, and what waits for it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"enabled": True, "connected": False, "broker": "127.0.0.1:1883", "waiting": 12, "oldest_s": 40.5}
            ]
        }
    )

    enabled: bool
    connected: bool
    broker: str
    waiting: int
    oldest_s: float


class SchemaJson(NodeJson):
    """A JSON Schema."""

    media_type = "application/schema+json"


def router(node: NodeApi) -> APIRouter:
    """Return the routes that describe `node`."""
    routes = APIRouter(tags=["node"])

    @routes.get("/sources", response_model=Sources)
    def sources() -> Response:
        """The state of each source, and why."""
        return NodeJson({"items": node.sources()})

    @routes.get("/models", response_model=Models)
    def models() -> Response:
        """The model at work and the bundles installed."""
        return NodeJson({"active": node.model(), "items": node.models()})

    @routes.get("/mqtt", response_model=Mqtt)
    def mqtt() -> Response:
        """Whether the broker has accepted the node, and how many messages wait for it."""
        return NodeJson(node.mqtt())

    @routes.get("/config", response_model=dict[str, Any])
    def config() -> Response:
        """The effective settings, secrets masked."""
        return NodeJson(node.config())

    @routes.get("/schema/event.json", response_class=SchemaJson, response_model=dict[str, Any])
    def schema() -> Response:
        """The JSON Schema of the CloudEvents."""
        return SchemaJson(event_schema())

    return routes
