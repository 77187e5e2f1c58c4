"""What the node is and has: `/sources`, `/models`, `/mqtt`, `/config` and the schema of its messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.responses import Response

from edge.api.components import SCHEMA_ANSWER, answer
from edge.api.encode import NodeJson
from edge.api.records import BrokerStatus, Models, Sources
from edge.publish.payload import event_schema

if TYPE_CHECKING:
    from edge.api.ports import NodeApi


class SchemaJson(NodeJson):
    """A JSON Schema."""

    media_type = "application/schema+json"


def router(node: NodeApi) -> APIRouter:
    """Return the routes that describe `node`."""
    routes = APIRouter(tags=["node"])

    @routes.get("/sources", response_model=Sources)
    def sources() -> Response:
        """The state of each source, and why."""
        return NodeJson(Sources(items=node.sources()))

    @routes.get("/models", response_model=Models)
    def models() -> Response:
        """The model at work and the bundles installed."""
        return NodeJson(Models(active=node.model(), items=node.models()))

    @routes.get("/mqtt", response_model=BrokerStatus)
    def mqtt() -> Response:
        """Whether the broker has accepted the node, and how many messages wait for it."""
        return NodeJson(node.mqtt())

    @routes.get("/config", responses=answer("Settings"))
    def config() -> Response:
        """The effective settings, secrets masked."""
        return NodeJson(node.config())

    @routes.get("/schema/event.json", response_class=SchemaJson, responses=SCHEMA_ANSWER)
    def schema() -> Response:
        """The JSON Schema of the CloudEvents."""
        return SchemaJson(event_schema())

    return routes
