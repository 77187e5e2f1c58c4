"""`/openapi.json`: what FastAPI knows of the routes, and what it cannot know of errors, tokens, events and streams."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from edge.api.encode import NodeJson
from edge.api.health import LIVE_PATH
from edge.api.problems import PROBLEM
from edge.jsontext import dumps
from edge.publish.payload import event_schema

if TYPE_CHECKING:
    from fastapi import FastAPI

Json = dict[str, Any]
_REF = "#/components/schemas/"
_BEARER = {"type": "http", "scheme": "bearer", "description": "the node's token, where it has one"}
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+/?")
_LEVELS = {
    "type": "object",
    "description": "where the away mode watches the source: in dB as `laeq`, what it takes for background and from"
    " where on it reports a sound; in a restless place that is higher",
    "properties": {
        "background": {"type": "number"},
        "threshold": {"type": "number"},
        "restless": {"type": "boolean"},
    },
    "required": ["background", "threshold", "restless"],
}
_FRAME = {
    "type": "object",
    "description": "What is heard now.",
    "properties": {
        "source": {"type": "string"},
        "time": {"type": "string", "format": "date-time"},
        "scores": {"type": "object", "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1}},
        "laeq": {"type": ["number", "null"], "description": "A-weighted level in dB"},
        "mel": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}},
        "away": _LEVELS,
    },
    "required": ["source", "time", "scores", "laeq", "mel"],
    "examples": [
        {
            "source": "mic",
            "time": "2026-05-01T12:00:00.125Z",
            "scores": {"siren": 0.91, "traffic": 0.2},
            "laeq": -31.5,
            "mel": [0, 12, 40, 255],
        }
    ],
}


def reference(name: str) -> Json:
    """Return a schema that stands for the component of that name."""
    return {"$ref": _REF + name}


def answer(name: str) -> dict[int | str, Json]:
    """Return the entry of a route that answers with a component as JSON."""
    return {200: {"description": "OK", "content": {"application/json": {"schema": reference(name)}}}}


def stream_of(name: str, example: str) -> dict[int | str, Json]:
    """Return the entry of a route that sends components as server-sent events, each in `data:`."""
    schema = {"type": "string", "contentMediaType": "application/json", "contentSchema": reference(name)}
    content = {"text/event-stream": {"schema": schema, "example": example}}
    return {200: {"description": "server-sent events", "content": content}}


def router(app: FastAPI, *, needs_token: bool) -> APIRouter:
    """Return the route of the description of `app`."""
    routes = APIRouter(include_in_schema=False)
    made: list[Json] = []

    @routes.get("/openapi.json")
    def description(request: Request) -> Response:
        if not made:
            made.append(_complete(app.openapi(), needs_token=needs_token))
        prefix = request.headers.get("x-forwarded-prefix", "")
        servers = {"servers": [{"url": prefix.rstrip("/")}]} if _PREFIX.fullmatch(prefix) else {}
        return NodeJson({**made[0], **servers})

    return routes


def _complete(document: Json, *, needs_token: bool) -> Json:
    components = document["components"]
    components["schemas"] |= _event_schemas() | {"Problem": PROBLEM, "LiveFrame": _FRAME}
    components["securitySchemes"] = {"token": _BEARER}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path != LIVE_PATH:
                operation["security"] = [{"token": []}] if needs_token else [{}, {"token": []}]
            for entry in operation["responses"].values():
                if entry["description"] == "Successful Response":
                    entry["description"] = "OK"
    return document


def _event_schemas() -> dict[str, Json]:
    """Return the message, and the shapes in which the history has its figures."""
    message = {key: value for key, value in event_schema().items() if not key.startswith("$")}
    data: Json = message["properties"]["data"]
    item: Json = {
        "type": "object",
        "description": "The figures of an event's last message, its highest score, and that message.",
        "properties": {**data["properties"], "source": {"type": "string"}, "event": reference("CloudEvent")},
        "required": [*data["required"], "source", "event"],
    }
    messages = {"type": "array", "items": reference("CloudEvent"), "description": "all of the event, in order"}
    detail = {
        **item,
        "description": "An event with all its messages.",
        "properties": {**item["properties"], "messages": messages},
        "required": [*item["required"], "messages"],
    }
    page = {
        "type": "object",
        "description": "A stretch of the history, newest first; one item per event.",
        "properties": {
            "items": {"type": "array", "items": reference("EventItem")},
            "next_cursor": {"type": ["string", "null"], "description": "where the next page begins; null on the last"},
        },
        "required": ["items", "next_cursor"],
    }
    example = _example()
    told = {**example["data"], "source": "mic", "event": example}
    return {
        "CloudEvent": {**message, "examples": [example]},
        "EventItem": {**item, "examples": [told]},
        "EventDetail": {**detail, "examples": [{**told, "messages": [example]}]},
        "EventPage": {**page, "examples": [{"items": [told], "next_cursor": None}]},
    }


def _example() -> Json:
    """Return the end of a siren, as the node writes it."""
    return {
        "specversion": "1.0",
        "id": "0b6c6a52-5d1c-4a53-9f3a-6a2f6a4b8f10",
        "source": "urn:tocsin:street-12:mic",
        "subject": "siren",
        "type": "io.tocsin.sound.end.v1",
        "time": "2026-05-01T12:00:04.500Z",
        "recordedtime": "2026-05-01T12:00:05.100Z",
        "sequence": "00000000000000000042",
        "datacontenttype": "application/json",
        "data": {
            "event_id": "5f0f4bde-3a70-4b3c-8f7e-1c9a3c2f7a11",
            "phase": "end",
            "label": "siren",
            "score": 0.31,
            "peak_score": 0.96,
            "onset_time": "2026-05-01T12:00:00.000Z",
            "end_time": "2026-05-01T12:00:04.500Z",
            "duration_s": 4.5,
            "laeq": -31.5,
            "lafmax": -25.0,
            "calibrated": False,
            "node": "street-12",
            "source_name": "mic",
            "location": "60.17,24.94",
            "severity": "critical",
            "model": {"id": "city", "version": "0.2.0", "sha256": "0" * 64, "provider": "cpu"},
            "clock": {"synced": True},
            "gap": False,
            "clip": None,
        },
    }


EVENT_LINES = f"id: 00000000000000000042\nevent: event\ndata: {dumps(_example())}\n\n"
FRAME_LINES = f"event: live\ndata: {dumps(_FRAME['examples'][0])}\n\n"  # type: ignore[index]
