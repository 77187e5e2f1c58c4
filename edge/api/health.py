"""`/livez`, `/readyz` and `/metrics`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import PlainTextResponse, Response

from edge.api.encode import NodeJson
from edge.api.problems import documented, problem
from edge.api.records import Health

if TYPE_CHECKING:
    from edge.api.ports import NodeApi

LIVE_PATH = "/livez"


def router(node: NodeApi, *, metrics: bool) -> APIRouter:
    """Return the routes that tell how `node` is; `/metrics` only when asked for."""
    routes = APIRouter(tags=["health"])  # monitors may add to the query what they like

    @routes.get(LIVE_PATH, response_model=Health, responses=documented(421, 500))
    async def livez() -> Response:
        """The process answers."""
        return NodeJson(Health())

    @routes.get("/readyz", response_model=Health, responses=documented(401, 403, 421, 429, 500, 503))
    def readyz(request: Request) -> Response:
        """Sound is heard, analysed, kept and handed on; if not, why."""
        if reasons := node.ready():
            detail = "Not ready: " + "; ".join(reasons) + "."
            return problem(503, detail, request.url.path, headers={"Retry-After": "5"}, reasons=reasons)
        return NodeJson(Health())

    if metrics:

        @routes.get("/metrics", response_class=PlainTextResponse, responses=documented(401, 403, 421, 429, 500))
        def prometheus() -> Response:
            """Figures for Prometheus."""
            return Response(generate_latest(node.registry), media_type=CONTENT_TYPE_LATEST)

    return routes
