"""What each key of the configuration is, by the types of `edge.settings.tree`, and what is wrong with it in words."""

from __future__ import annotations

from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from edge.errors import ConfigError, suggest
from edge.settings.invalid import InvalidValueError
from edge.settings.tree import Settings

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

Key = tuple[str | int, ...]
"""Where a value stands: ``("sources", 0, "spec")``."""

_SHOWN = 80  # letters of a key or a value in a message
_TAG = "type"  # the key that says which of several kinds a table is
_TABLE_WANTED = frozenset({"model_type", "dict_type", "model_attributes_type"})


def _plain(kind: Any) -> Any:  # noqa: ANN401 - annotations are of any type
    """Return the type of a value that is given, without its limits; a union where it is one of several tables."""
    if get_origin(kind) is Annotated:
        return _plain(get_args(kind)[0])
    arms = [arm for arm in get_args(kind) if arm is not type(None)]
    return _plain(arms[0]) if type(None) in get_args(kind) and len(arms) == 1 else kind


def _tables(kind: Any) -> tuple[type[BaseModel], ...]:  # noqa: ANN401
    """Return the section that a type is, or the several that it may be; none for other types."""
    if get_origin(kind) in (Union, UnionType):
        return tuple(table for arm in get_args(kind) for table in _tables(arm))
    return (kind,) if get_origin(kind) is None and isinstance(kind, type) and issubclass(kind, BaseModel) else ()


def _fields(kind: Any) -> dict[str, FieldInfo]:  # noqa: ANN401
    """Return the fields of a section by their keys; of several sections, those of all of them."""
    return {field.alias or name: field for table in _tables(kind) for name, field in table.model_fields.items()}


def choices_of(kind: Any) -> list[str] | None:  # noqa: ANN401
    """Return the keys of a section; None for a value and for a section of free names."""
    return list(_fields(kind)) or None


def child_of(kind: Any, part: str | int) -> Any:  # noqa: ANN401
    """Return the type of a key in a section, or in a table or array of sections."""
    if choices_of(kind) is not None:
        field = _fields(kind).get(str(part))
        return field and _plain(field.annotation)
    if get_origin(kind) is dict:
        return _plain(get_args(kind)[1])
    return _plain(get_args(kind)[0]) if get_origin(kind) is tuple else None


def _walk(loc: Key) -> tuple[Key, list[Any]]:
    """Return the key at which an error is, and the types along it from the whole configuration down.

    An error's place also names which of several kinds a table is, and says where the name of a table is wrong.
    """
    key: list[str | int] = []
    kinds: list[Any] = [Settings]
    for part in loc:
        tables = {get_args(_fields(table)[_TAG].annotation)[0]: table for table in _several(kinds[-1])}
        if part in tables:
            kinds[-1] = tables[part]
        elif part != "[key]":
            key.append(part)
            kinds.append(child_of(kinds[-1], part))
    return tuple(key), kinds


def _several(kind: Any) -> tuple[type[BaseModel], ...]:  # noqa: ANN401
    return tables if len(tables := _tables(kind)) > 1 else ()


def explain(error: ErrorDetails) -> tuple[Key, ConfigError]:
    """Return the key that an error is about, and what is wrong with it."""
    key, kinds = _walk(error["loc"])
    kind, given = kinds[-1], error["input"]
    dotted = _dotted(key)
    if error["type"] == "extra_forbidden":
        remedy = suggest(str(key[-1])[:_SHOWN], choices_of(kinds[-2]) or [])
        return key, ConfigError(f"unknown key '{dotted}'", remedy=remedy)
    if error["type"] == "union_tag_invalid":
        known = [str(get_args(_fields(table)[_TAG].annotation)[0]) for table in _several(kind)]
        tag, where = given[_TAG], f"{dotted}.{_TAG}"
        remedy = suggest(str(tag)[:_SHOWN], known)
        return (*key, _TAG), ConfigError(f"{_shown(tag)} is unknown", where=where, remedy=remedy)
    if error["type"] == "union_tag_not_found":
        return key, ConfigError("field required", where=f"{dotted}.{_TAG}")
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, InvalidValueError):
        key = (*key, *cause.key.split(".")) if cause.key else key
        what = _with_value(cause.what, key, kind, given)
        return (*key, *cause.at), ConfigError(what, where=_dotted(key), remedy=cause.remedy)
    return key, ConfigError(_with_value(_text_of(error, kind), key, kind, given), where=dotted)


def _dotted(key: Key) -> str:
    return ".".join(_printable(str(part)) for part in key)


def _text_of(error: ErrorDetails, kind: Any) -> str:  # noqa: ANN401
    """Return what is wrong, in the words of the section or of pydantic."""
    if error["type"] in _TABLE_WANTED:
        return "must be a table"
    if error["type"] == "tuple_type":
        return "must be an array of tables" if _tables(child_of(kind, 0)) else "must be an array"
    text = error["msg"].removeprefix("Value error, ")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _with_value(text: str, key: Key, kind: Any, given: Any) -> str:  # noqa: ANN401
    """Return what is wrong with the value that was given, unless that is a secret or a table."""
    if kind is SecretStr or key[-1:] == ("url",) or isinstance(given, (dict, list, tuple, BaseModel)):
        return text
    return f"{text}, got {_shown(given)}"


def _printable(text: str) -> str:
    """Return a key for a line of text, short, and without what would end the line or colour a terminal."""
    return (text if text.isprintable() else ascii(text)[1:-1])[:_SHOWN]


def _shown(value: Any) -> str:  # noqa: ANN401
    """Return a value for a line of text, cut where it is long."""
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits
        return "a very large number"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
