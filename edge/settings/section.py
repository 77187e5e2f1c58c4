"""What every part of the configuration shares: kinds of values, each with its bounds."""

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

from edge.settings.address import misplaced
from edge.settings.invalid import InvalidValueError

YEAR_S = 31_536_000.0
_NAME_BYTES = 255  # of one folder or file, on every file system of Linux
_BYTES_OF_MQTT = 65_535  # of a text in the protocol
_NO_CHARACTERS = "\ufffe\uffff" + "".join(map(chr, range(0xFDD0, 0xFDF0)))  # by Unicode's own word
_QUOTES = "\"'"
_NO_HOST = "must be a name or an address alone, such as sensor.example, 192.0.2.1 or ::1"
_PORT = "give the port in its own key"


class Section(BaseModel):
    """A part of the configuration: frozen, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def read_limits(kind: Any) -> tuple[Any, Any]:  # noqa: ANN401 - a type, and values of it
    """Return the least and the greatest value of a field or an annotated type, or None."""
    field = kind if isinstance(kind, FieldInfo) else FieldInfo.from_annotation(kind)
    limits = {name: getattr(limit, name) for limit in field.metadata for name in ("ge", "le") if hasattr(limit, name)}
    return limits.get("ge"), limits.get("le")


def _bare(value: str) -> str:
    """Refuse what no name, address, path or topic holds.

    Brokers end a connection over a control character, and systems a call. Quotes around the whole come from a variable
    that no shell has read, or were written twice.
    """
    if any(unicodedata.category(sign) in ("Cc", "Cs") or sign in _NO_CHARACTERS for sign in value):
        msg = "must not hold control characters"
        raise ValueError(msg)
    if len(value) > 1 and value[0] == value[-1] and value[0] in _QUOTES:
        msg = "must not have quotes around it"
        raise InvalidValueError(msg, remedy="leave them out")
    return value


def _topic(value: str) -> str:
    if "+" in value or "#" in value or value.startswith(("/", "$")) or value.endswith("/"):
        msg = "must be a topic without + # or a slash at either end"
        raise ValueError(msg)
    return value


def _mqtt_text(value: str) -> str:
    if len(value.encode()) > _BYTES_OF_MQTT:
        msg = f"must not have more than {_BYTES_OF_MQTT} bytes"
        raise ValueError(msg)
    return value


def plain_host(value: str) -> str:
    """Return a host as it is; raises `InvalidValueError` for what can be no name and no address."""
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


def _misplaced(value: object) -> object:
    if isinstance(value, str) and (why := misplaced(value)):
        what, remedy = why
        raise InvalidValueError(what, remedy=remedy)
    return value


def _with_host(value: HttpUrl) -> HttpUrl:
    plain_host((value.host or "").strip("[]"))
    return value


def _not_empty(value: object) -> object:
    if value == "":
        msg = "must not be empty"
        raise InvalidValueError(msg, remedy="leave it out instead")
    return value


def _path(value: Path) -> Path:
    _bare(str(value))
    if any(len(part.encode()) > _NAME_BYTES for part in value.parts):
        msg = f"must not have a part of more than {_NAME_BYTES} bytes"
        raise ValueError(msg)
    return value


def _path_text(value: str) -> str:
    _path(Path(value))
    return value


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if twice := [name for n, name in enumerate(names) if name in names[:n]]:
        msg = f"names {twice[0]!r} twice"
        raise ValueError(msg)
    return names


_SLUG_LETTERS = 64
SLUG_RULE = f"1 to {_SLUG_LETTERS} of the characters a-z 0-9 _ -"
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]+$", max_length=_SLUG_LETTERS)]
ActionNames = Annotated[tuple[Slug, ...], AfterValidator(_each_once)]
"""The names of actions, each once."""
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Seconds = Annotated[float, Field(ge=0.0, le=YEAR_S)]
LongerThanNothing = Annotated[float, Field(gt=0.0, le=YEAR_S)]
"""Seconds, and not none."""
Text = Annotated[str, Field(max_length=65_536)]
Line = Annotated[str, Field(max_length=4096), AfterValidator(_bare)]
Host = Annotated[str, Field(min_length=1, max_length=253), AfterValidator(_bare), AfterValidator(plain_host)]
"""A name or an address, without a port."""
WebAddress = Annotated[HttpUrl, BeforeValidator(_misplaced), AfterValidator(_with_host)]
MqttText = Annotated[str, Field(max_length=_BYTES_OF_MQTT), AfterValidator(_bare), AfterValidator(_mqtt_text)]
Topic = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_bare), AfterValidator(_topic)]
Secret = Annotated[SecretStr, Field(max_length=4096)]
FilePath = Annotated[Path, BeforeValidator(_not_empty), AfterValidator(_path)]
PathText = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_path_text)]
"""A path, or a name that is looked for among files."""
