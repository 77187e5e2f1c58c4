"""Base class and field types of the settings."""

from __future__ import annotations

import ipaddress
import unicodedata
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    SecretStr,
    StringConstraints,
)
from pydantic.fields import FieldInfo

from edge.settings.address import explain_misplaced_sign
from edge.settings.invalid import InvalidValueError

YEAR_S = 31_536_000.0
_NAME_BYTES = 255  # of one folder or file, on every file system of Linux
_BYTES_OF_MQTT = 65_535  # of a text in the protocol
_NONCHARACTERS = "\ufffe\uffff" + "".join(map(chr, range(0xFDD0, 0xFDF0)))  # as Unicode defines them
_QUOTES = "\"'"
_NO_HOST = "must be a name or an address alone, such as sensor.example, 192.0.2.1 or ::1"
_PORT = "give the port in its own key"


class Section(BaseModel):
    """A section of the configuration: frozen, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def read_limits(kind: Any) -> tuple[Any, Any]:  # noqa: ANN401 - a type, and values of it
    """Return the minimum and maximum of a field or annotated type; None without one."""
    field = kind if isinstance(kind, FieldInfo) else FieldInfo.from_annotation(kind)
    limits = {name: getattr(limit, name) for limit in field.metadata for name in ("ge", "le") if hasattr(limit, name)}
    return limits.get("ge"), limits.get("le")


def _check_line(value: str) -> str:
    """Refuse control characters, and quotes around a name, address, path or topic.

    Brokers end a connection because of a control character, and system calls fail. Quotes come from a variable that no
    shell has read, or were written twice.
    """
    if any(unicodedata.category(sign) in ("Cc", "Cs") or sign in _NONCHARACTERS for sign in value):
        msg = "must not hold control characters"
        raise ValueError(msg)
    if len(value) > 1 and value[0] == value[-1] and value[0] in _QUOTES:
        msg = "must not have quotes around it"
        raise InvalidValueError(msg, remedy="leave them out")
    return value


def _check_topic(value: str) -> str:
    if "+" in value or "#" in value or value.startswith(("/", "$")) or value.endswith("/"):
        msg = "must be a topic without + # or a slash at either end"
        raise ValueError(msg)
    return value


def _check_mqtt_length(value: str) -> str:
    if len(value.encode()) > _BYTES_OF_MQTT:
        msg = f"must not have more than {_BYTES_OF_MQTT} bytes"
        raise ValueError(msg)
    return value


def check_host(value: str) -> str:
    """Return a host; raises `InvalidValueError` unless it is a name or an address."""
    try:
        if ":" in value:
            ipaddress.IPv6Address(value)
        else:
            value.encode("idna")
    except ValueError as exc:  # a UnicodeError is one
        raise InvalidValueError(_NO_HOST, remedy=_PORT) from exc
    if set(value) & set(" /[]@\"'#?\\,;=<>()"):
        raise InvalidValueError(_NO_HOST, remedy=_PORT)
    return value


def _check_url_signs(value: object) -> object:
    if isinstance(value, str) and (why := explain_misplaced_sign(value)):
        what, remedy = why
        raise InvalidValueError(what, remedy=remedy)
    return value


def _check_url_host(value: HttpUrl) -> HttpUrl:
    check_host((value.host or "").strip("[]"))
    return value


def _refuse_empty(value: object) -> object:
    if value == "":
        msg = "must not be empty"
        raise InvalidValueError(msg, remedy="leave it out instead")
    return value


def _check_path(value: Path) -> Path:
    _check_line(str(value))
    if any(len(part.encode()) > _NAME_BYTES for part in value.parts):
        msg = f"must not have a part of more than {_NAME_BYTES} bytes"
        raise ValueError(msg)
    return value


def _check_path_text(value: str) -> str:
    _check_path(Path(value))
    return value


def _refuse_repeats(names: tuple[str, ...]) -> tuple[str, ...]:
    if twice := [name for n, name in enumerate(names) if name in names[:n]]:
        msg = f"names {twice[0]!r} twice"
        raise ValueError(msg)
    return names


_SLUG_LETTERS = 64
SLUG_RULE = f"1 to {_SLUG_LETTERS} of the characters a-z 0-9 _ -"
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]+$", max_length=_SLUG_LETTERS)]
ActionNames = Annotated[tuple[Slug, ...], AfterValidator(_refuse_repeats)]
"""Names of actions, without repetitions."""
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Seconds = Annotated[float, Field(ge=0.0, le=YEAR_S)]
PositiveSeconds = Annotated[float, Field(gt=0.0, le=YEAR_S)]
"""Seconds above 0."""
Text = Annotated[str, Field(max_length=65_536)]
Line = Annotated[str, Field(max_length=4096), AfterValidator(_check_line)]
Host = Annotated[str, Field(min_length=1, max_length=253), AfterValidator(_check_line), AfterValidator(check_host)]
"""A name or an address, without a port."""
WebAddress = Annotated[HttpUrl, BeforeValidator(_check_url_signs), AfterValidator(_check_url_host)]
MqttText = Annotated[
    str, Field(max_length=_BYTES_OF_MQTT), AfterValidator(_check_line), AfterValidator(_check_mqtt_length)
]
Topic = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_check_line), AfterValidator(_check_topic)]
Secret = Annotated[SecretStr, Field(max_length=4096)]
FilePath = Annotated[Path, BeforeValidator(_refuse_empty), AfterValidator(_check_path)]
PathText = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_check_path_text)]
"""A path, or the id of a bundle."""
