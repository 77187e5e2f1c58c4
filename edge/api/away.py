"""`/away`: state and switch of the away mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from edge.api.encode import NodeJson
from edge.api.problems import describe_errors
from edge.api.records import AwayStatus
from edge.errors import UsageError

if TYPE_CHECKING:
    from edge.api.ports import NodeApi

_MAX_BYTES = 1024


class WantedState(BaseModel):
    """The wanted state of the away mode."""

    model_config = ConfigDict(extra="forbid")

    state: Literal["ON", "OFF"]


_BODY = {
    "required": True,
    "content": {"application/json": {"schema": WantedState.model_json_schema(), "example": {"state": "ON"}}},
}


async def _read_wanted(request: Request) -> WantedState:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, 'Send {"state": "ON"} with Content-Type: application/json.')
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BYTES:
            raise HTTPException(413, f'That is more than {_MAX_BYTES} bytes; send {{"state": "ON"}}.')
    try:
        return WantedState.model_validate_json(bytes(body))
    except ValidationError as exc:
        raise HTTPException(422, 'The body must be {"state": "ON"} or {"state": "OFF"}.') from exc


def router(node: NodeApi) -> APIRouter:
    """Return the routes of the away mode of `node`."""
    routes = APIRouter(tags=["away"])

    @routes.get("/away", response_model=AwayStatus)
    def away() -> Response:
        """Return the away mode: on or off, listening or not."""
        return NodeJson(node.away())

    @routes.put(
        "/away",
        response_model=AwayStatus,
        responses=describe_errors(408, 409, 413, 415),
        openapi_extra={"requestBody": _BODY},
    )
    def set_away(wanted: Annotated[WantedState, Depends(_read_wanted)]) -> Response:
        """Switch the away mode and return it."""
        try:
            return NodeJson(node.set_away(wanted.state == "ON"))
        except UsageError as exc:
            raise HTTPException(409, str(exc)) from exc

    return routes
