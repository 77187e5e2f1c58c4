"""What the node is and has: `/sources`, `/models`, `/mqtt`, `/config` and the schema of its messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel
from starlette.responses import Response

from edge.api.encode import NodeJson
from edge.api.query import only_known
from edge.publish.payload import event_schema

if TYPE_CHECKING:
    from edge.api.ports import NodeApi


class Sources(BaseModel):
    """The inputs and how they are."""

    items: list[dict[str, Any]]


class Models(BaseModel):
    """The bundles on this node, and which of them is at work."""

    active: dict[str, Any]
    items: list[dict[str, Any]]


class Mqtt(BaseModel):
    """The connection to the broker, and what waits for it."""

    enabled: bool
    connected: bool
    broker: str
    waiting: int
    oldest_s: float


def router(node: NodeApi) -> APIRouter:
    """Return the routes that describe `node`."""
    routes = APIRouter(tags=["node"], dependencies=[Depends(only_known)])

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

    @routes.get("/schema/event.json", response_model=dict[str, Any])
    def schema() -> Response:
        """The JSON Schema of the CloudEvents."""
        return NodeJson(event_schema(), media_type="application/schema+json")

    return routes
