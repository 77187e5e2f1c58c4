"""The configuration as text: effective values, a commented example, and its JSON Schema."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, get_args, get_origin

from edge.settings import DetectionClass, Settings, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_HEAD = """\
# Tocsin's configuration. Every value has a default, so an empty file runs. A line that is commented out shows the
# default, or an example where nothing is set. Check the file with 'tocsin config check'.
# The environment goes before the file: TOCSIN_MQTT__HOST=broker.example
"""
_EXAMPLES: dict[str, Any] = {
    "id": "street-12",
    "cache_dir": "/var/lib/tocsin/tensorrt",
    "alert": True,
    "on": 0.7,
    "off": 0.4,
    "min_windows": 2,
    "min_duration_s": 0.0,
    "hold_s": 1.0,
    "cooldown_s": 1.0,
    "max_duration_s": 60.0,
    "smoothing_s": 0.5,
    "severity": "warning",
    "save_clip": False,
    "calibration_offset_db": 120.0,
    "password": "correct horse",
    "password_file": "/etc/tocsin/mqtt_password",
    "ca_file": "/etc/tocsin/ca.pem",
    "cert_file": "/etc/tocsin/node.pem",
    "key_file": "/etc/tocsin/node.key",
    "token": "battery staple",
    "token_file": "/etc/tocsin/api_token",
    "path": "/var/lib/tocsin",
}  # for what is not set by default


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the configuration (draft 2020-12)."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Settings.model_json_schema()}


def to_toml(values: Mapping[str, Any], prefix: str = "") -> str:
    """Return JSON values as TOML; what is None is left out, as TOML has no word for it."""
    plain, tables = [], []
    for key, value in values.items():
        name = key if _BARE.fullmatch(key) else _literal(key)
        if isinstance(value, dict):
            if body := to_toml(value, f"{prefix}{name}."):
                head = "" if all(isinstance(v, dict) for v in value.values()) else f"[{prefix}{name}]\n"
                tables.append(head + body)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            tables += [f"[[{prefix}{name}]]\n{to_toml(item)}" for item in value]
        elif value is not None:
            plain.append(f"{name} = {_literal(value)}\n")
    return "\n".join(["".join(plain), *tables] if plain else tables)


def example() -> str:
    """Return a configuration with every key, its meaning and its default, ready to be edited."""
    parts = [_HEAD]
    for name, field in Settings.model_fields.items():
        kind: Any = field.annotation
        if get_origin(kind) is tuple:
            parts.append(_section(Source, f"[[{name}]]", "One such block per input; another block adds another input."))
        else:
            parts.append(_section(kind, f"[{name}]"))
            if name == "detection":
                parts.append(_section(DetectionClass, "# [detection.classes.siren]", "What differs for one label."))
    return "\n".join(parts)


def _section(kind: type[BaseModel], head: str, note: str = "") -> str:
    lines = [f"# {note or (kind.__doc__ or '').splitlines()[0]}", head]
    for name, field in kind.model_fields.items():
        if get_origin(field.annotation) is dict:
            continue  # the tables below it say what it holds
        value = _EXAMPLES[name] if field.default is None else field.default
        lines.append(f"# {name} = {_literal(value)}".ljust(36) + f"  # {_describe(field)}")
    return "\n".join(lines) + "\n"


def _describe(field: FieldInfo) -> str:
    choices = [repr(arm) for arm in _flat(field.annotation) if isinstance(arm, str)]
    return f"{field.description}{': ' if choices else ''}{', '.join(choices)}"


def _flat(kind: Any) -> Iterator[Any]:  # noqa: ANN401 - annotations are of any type
    args = get_args(kind)
    if not args:
        yield kind
    for arg in args:
        yield from _flat(arg)


def _literal(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return a JSON value in TOML, which writes it as JSON does (strings, numbers, booleans, arrays of those)."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
