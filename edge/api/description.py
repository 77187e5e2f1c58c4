"""`/openapi.json`: the description by FastAPI, completed with errors, tokens, messages and streams."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from edge.api.components import components
from edge.api.encode import NodeJson
from edge.api.health import LIVE_PATH

if TYPE_CHECKING:
    from fastapi import FastAPI

Json = dict[str, Any]
_BEARER = {"type": "http", "scheme": "bearer", "description": "the node's token, where it has one"}
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+/?")


def router(app: FastAPI, *, needs_token: bool) -> APIRouter:
    """Return the route of the description of `app`."""
    routes = APIRouter(include_in_schema=False)
    made: list[Json] = []

    @routes.get("/openapi.json")
    def description(request: Request) -> Response:
        if not made:
            made.append(complete(app.openapi(), needs_token=needs_token))
        prefix = request.headers.get("x-forwarded-prefix", "")
        servers = {"servers": [{"url": prefix.rstrip("/")}]} if _PREFIX.fullmatch(prefix) else {}
        return NodeJson({**made[0], **servers})

    return routes


def complete(document: Json, *, needs_token: bool) -> Json:
    """Add to a document of FastAPI's, in place, what FastAPI does not know; return it."""
    document["components"]["schemas"] |= components()
    document["components"]["securitySchemes"] = {"token": _BEARER}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path != LIVE_PATH:
                operation["security"] = [{"token": []}] if needs_token else [{}, {"token": []}]
            for entry in operation["responses"].values():
                if entry["description"] == "Successful Response":
                    entry["description"] = "OK"
    return document
