"""`/sources`, `/models`, `/mqtt`, `/config` and `/schema/event.json`: parts of a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.responses import Response

from edge.api.components import SCHEMA_ANSWER, describe_answer
from edge.api.encode import NodeJson
from edge.api.records import BrokerStatus, Models, Sources
from edge.publish.payload import event_schema

if TYPE_CHECKING:
    from edge.api.ports import NodeApi


class SchemaJson(NodeJson):
    """A JSON Schema as an answer."""

    media_type = "application/schema+json"


def router(node: NodeApi) -> APIRouter:
    """Return the routes of the parts of `node`."""
    routes = APIRouter(tags=["node"])

    @routes.get("/sources", response_model=Sources)
    def sources() -> Response:
        """Return the state of each source."""
        return NodeJson(Sources(items=node.sources()))

    @routes.get("/models", response_model=Models)
    def models() -> Response:
        """Return the model in use and the bundles on the device."""
        return NodeJson(Models(active=node.model(), items=node.models()))

    @routes.get("/mqtt", response_model=BrokerStatus)
    def mqtt() -> Response:
        """Return the connection to the broker and the number of waiting messages."""
        return NodeJson(node.mqtt())

    @routes.get("/config", responses=describe_answer("Settings"))
    def config() -> Response:
        """Return the effective settings, secrets masked."""
        return NodeJson(node.config())

    @routes.get("/schema/event.json", response_class=SchemaJson, responses=SCHEMA_ANSWER)
    def schema() -> Response:
        """Return the JSON Schema of the CloudEvents."""
        return SchemaJson(event_schema())

    return routes
