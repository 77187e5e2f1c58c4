"""JSON Schemas of the payloads on MQTT, for the AsyncAPI description."""

from __future__ import annotations

from typing import Any

from edge.publish.payload import event_schema
from edge.types import SourceState

Json = dict[str, Any]
_NAMES = {"type": "array", "items": {"type": "string"}}
_TIME = {"type": "string", "format": "date-time"}


def _object(properties: Json, *, optional: tuple[str, ...] = (), **more: Any) -> Json:  # noqa: ANN401 - of any type
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False, **more}


def _number(description: str) -> Json:
    return {"type": "number", "description": description}


NODE_STATUS: Json = {
    "type": "string",
    "enum": ["online", "stopped", "offline"],
    "description": "`stopped` after a clean end; `offline` by the last will",
}
SOURCE_STATUS: Json = {"type": "string", "enum": [state.value for state in SourceState]}
SWITCH: Json = {"type": "string", "enum": ["ON", "OFF"]}
INFO: Json = _object(
    {
        "version": {"type": "string", "description": "version of Tocsin"},
        "model": event_schema()["properties"]["data"]["properties"]["model"],
        "labels": {**_NAMES, "description": "labels that the model scores"},
        "alerts": {**_NAMES, "description": "labels that make events"},
        "sources": {
            "type": "array",
            "items": _object({"name": {"type": "string"}, "spec": {"type": "string"}}),
            "description": "sources with their kinds and addresses, passwords masked",
        },
        "clock_synced": {"type": "boolean", "description": "whether the clock is synchronized"},
    }
)
LEVEL: Json = _object(
    {
        "time": {**_TIME, "description": "begin of the second"},
        "dur_s": _number("length of the sound in seconds; less than 1 after a gap"),
        "laeq": _number("A-weighted equivalent level in dB"),
        "lafmax": _number("highest A-weighted level, time weighting F, in dB"),
        "l10": _number("level exceeded for 10 % of the time, in dB"),
        "l50": _number("level exceeded for 50 % of the time, in dB"),
        "l90": _number("level exceeded for 90 % of the time, in dB"),
        "calibrated": {"type": "boolean", "description": "whether the levels are dB SPL"},
    }
)
CLAP: Json = _object(
    {
        "event_type": {"type": "string", "description": "name of the pattern; `sound` for a sound while away"},
        "time": {**_TIME, "description": "time of the last clap, or the begin of the sound"},
        "intervals_ms": {
            "type": "array",
            "items": {"type": "integer", "minimum": 0},
            "description": "gaps between the claps; empty for a sound",
        },
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        "clock_synced": {"type": "boolean", "description": "whether the time of a sound can be trusted"},
    },
    optional=("clock_synced",),
)


def event_payload() -> Json:
    """Return the schema of the CloudEvents without the keywords that identify a document."""
    return {key: value for key, value in event_schema().items() if key not in ("$schema", "$id")}
