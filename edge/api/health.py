"""`/livez`, `/readyz` and `/metrics`: monitoring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import PlainTextResponse, Response

from edge.api.encode import NodeJson
from edge.api.problems import describe_errors, make_problem
from edge.api.records import Health

if TYPE_CHECKING:
    from edge.api.ports import NodeApi

LIVE_PATH = "/livez"


def router(node: NodeApi, *, metrics: bool) -> APIRouter:
    """Return the monitoring routes of `node`, with `/metrics` only where `metrics`."""
    routes = APIRouter(tags=["health"])  # monitors may add any query

    @routes.get(LIVE_PATH, response_model=Health, responses=describe_errors(421, 500))
    async def livez() -> Response:
        """Answer while the process runs."""
        return NodeJson(Health())

    @routes.get("/readyz", response_model=Health, responses=describe_errors(401, 403, 421, 429, 500, 503))
    def readyz(request: Request) -> Response:
        """Return whether the node receives, analyses, stores and publishes; a problem gives the reasons."""
        if reasons := node.ready():
            detail = "Not ready: " + "; ".join(reasons) + "."
            return make_problem(503, detail, request.url.path, headers={"Retry-After": "5"}, reasons=reasons)
        return NodeJson(Health())

    if metrics:

        @routes.get("/metrics", response_class=PlainTextResponse, responses=describe_errors(401, 403, 421, 429, 500))
        def prometheus() -> Response:
            """Return the metrics for Prometheus."""
            return Response(generate_latest(node.registry), media_type=CONTENT_TYPE_LATEST)

    return routes
