"""OpenAPI components that no response model makes: messages, history, live frames, settings and problems."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import TypeAdapter

from edge.api.answers import FRAME, LiveFrame
from edge.api.problems import PROBLEM
from edge.jsontext import dumps
from edge.publish.payload import event_schema
from edge.settings.tree import Settings

Json = dict[str, Any]
_REF = "#/components/schemas/"
EVENT: Json = {
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
"""An example of a message: the end of a siren."""


SCHEMA_ANSWER: dict[int | str, Json] = {
    200: {
        "description": "OK",
        "content": {
            "application/schema+json": {
                "schema": {
                    "type": "object",
                    "description": "a JSON Schema (draft 2020-12)",
                    "properties": {
                        "$schema": {"const": "https://json-schema.org/draft/2020-12/schema"},
                        "$id": {"const": "urn:tocsin:schema:event:v1"},
                    },
                    "required": ["$schema", "$id"],
                }
            }
        },
    }
}
"""The entry of the route that answers with the JSON Schema of the messages."""


def reference(name: str) -> Json:
    """Return a schema that stands for the component of that name."""
    return {"$ref": _REF + name}


def describe_answer(name: str) -> dict[int | str, Json]:
    """Return the entry of a route that answers with a component as JSON."""
    return {200: {"description": "OK", "content": {"application/json": {"schema": reference(name)}}}}


def describe_stream(name: str, example: str) -> dict[int | str, Json]:
    """Return the entry of a route that sends components as server-sent events, each in `data:`."""
    schema = {"type": "string", "contentMediaType": "application/json", "contentSchema": reference(name)}
    content = {"text/event-stream": {"schema": schema, "example": example}}
    return {200: {"description": "server-sent events", "content": content}}


def components() -> dict[str, Json]:
    """Return every component that is added to those of the response models, by name."""
    records: list[tuple[str, Literal["serialization"], TypeAdapter[Any]]] = [
        ("frame", "serialization", TypeAdapter(LiveFrame)),
        ("settings", "serialization", TypeAdapter(Settings)),
    ]
    _, schema = TypeAdapter.json_schemas(records, ref_template=_REF + "{model}")
    definitions: dict[str, Json] = schema["$defs"]
    return definitions | _event_schemas() | {"Problem": PROBLEM}


def _event_schemas() -> dict[str, Json]:
    """Return the components of messages and history, made from the messages' JSON Schema."""
    message = {key: value for key, value in event_schema().items() if not key.startswith("$")}
    data: Json = message["properties"]["data"]
    item: Json = {
        "type": "object",
        "description": "The figures of an event's last message, its highest score, and that message.",
        "properties": {**data["properties"], "source": {"type": "string"}, "event": reference("CloudEvent")},
        "required": [*data["required"], "source", "event"],
    }
    messages = {"type": "array", "items": reference("CloudEvent"), "description": "all messages of the event, in order"}
    detail = {
        **item,
        "description": "An event with all its messages.",
        "properties": {**item["properties"], "messages": messages},
        "required": [*item["required"], "messages"],
    }
    page = {
        "type": "object",
        "description": "A page of the history, newest first; one item per event.",
        "properties": {
            "items": {"type": "array", "items": reference("EventItem")},
            "next_cursor": {"type": ["string", "null"], "description": "cursor of the next page; null on the last"},
        },
        "required": ["items", "next_cursor"],
    }
    item_example = {**EVENT["data"], "source": "mic", "event": EVENT}
    return {
        "CloudEvent": {**message, "examples": [EVENT]},
        "EventItem": {**item, "examples": [item_example]},
        "EventDetail": {**detail, "examples": [{**item_example, "messages": [EVENT]}]},
        "EventPage": {**page, "examples": [{"items": [item_example], "next_cursor": None}]},
    }


EVENT_LINES = f"id: {EVENT['sequence']}\nevent: event\ndata: {dumps(EVENT)}\n\n"
"""An example of `/events/stream`."""
FRAME_LINES = f"event: live\ndata: {dumps(FRAME)}\n\n"
"""An example of `/live/stream`."""
