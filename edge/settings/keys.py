"""Types of the configuration's keys, and error messages about their values."""

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
"""The position of a value, such as ``("sources", 0, "spec")``."""

_SHOWN = 80  # longest key or value in a message, in characters
_TAG = "type"  # the key that names the kind of a table
_TABLE_WANTED = frozenset({"model_type", "dict_type", "model_attributes_type"})


def _strip_type(kind: Any) -> Any:  # noqa: ANN401 - annotations are of any type
    """Return a type without limits and None; a union if there are several tables."""
    if get_origin(kind) is Annotated:
        return _strip_type(get_args(kind)[0])
    arms = [arm for arm in get_args(kind) if arm is not type(None)]
    return _strip_type(arms[0]) if type(None) in get_args(kind) and len(arms) == 1 else kind


def _list_tables(kind: Any) -> tuple[type[BaseModel], ...]:  # noqa: ANN401
    """Return the section types of a type or union; empty for other types."""
    if get_origin(kind) in (Union, UnionType):
        return tuple(table for arm in get_args(kind) for table in _list_tables(arm))
    return (kind,) if get_origin(kind) is None and isinstance(kind, type) and issubclass(kind, BaseModel) else ()


def _collect_fields(kind: Any) -> dict[str, FieldInfo]:  # noqa: ANN401
    """Return the fields of one or several sections by key."""
    return {field.alias or name: field for table in _list_tables(kind) for name, field in table.model_fields.items()}


def list_keys(kind: Any) -> list[str] | None:  # noqa: ANN401
    """Return the keys of a section; None for values and tables with arbitrary keys."""
    return list(_collect_fields(kind)) or None


def find_child_type(kind: Any, part: str | int) -> Any:  # noqa: ANN401
    """Return the type of a key in a section, table or array."""
    if list_keys(kind) is not None:
        field = _collect_fields(kind).get(str(part))
        return field and _strip_type(field.annotation)
    if get_origin(kind) is dict:
        return _strip_type(get_args(kind)[1])
    return _strip_type(get_args(kind)[0]) if get_origin(kind) is tuple else None


def _walk(loc: Key) -> tuple[Key, list[Any]]:
    """Return the key of an error, and the types on the path to it.

    `loc` also contains the kind of a table, and ``[key]`` if the name of a table is wrong.
    """
    key: list[str | int] = []
    kinds: list[Any] = [Settings]
    for part in loc:
        tables = {
            get_args(_collect_fields(table)[_TAG].annotation)[0]: table for table in _list_alternatives(kinds[-1])
        }
        if part in tables:
            kinds[-1] = tables[part]
        elif part != "[key]":
            key.append(part)
            kinds.append(find_child_type(kinds[-1], part))
    return tuple(key), kinds


def _list_alternatives(kind: Any) -> tuple[type[BaseModel], ...]:  # noqa: ANN401
    return tables if len(tables := _list_tables(kind)) > 1 else ()


def explain(error: ErrorDetails) -> tuple[Key, ConfigError]:
    """Return the key of a validation error, and a `ConfigError`."""
    key, kinds = _walk(error["loc"])
    kind, given = kinds[-1], error["input"]
    dotted = _join_key(key)
    if error["type"] == "extra_forbidden":
        remedy = suggest(str(key[-1])[:_SHOWN], list_keys(kinds[-2]) or [])
        return key, ConfigError(f"unknown key '{dotted}'", remedy=remedy)
    if error["type"] == "union_tag_invalid":
        known = [str(get_args(_collect_fields(table)[_TAG].annotation)[0]) for table in _list_alternatives(kind)]
        tag, where = given[_TAG], f"{dotted}.{_TAG}"
        remedy = suggest(str(tag)[:_SHOWN], known)
        return (*key, _TAG), ConfigError(f"{_shown(tag)} is unknown", where=where, remedy=remedy)
    if error["type"] == "union_tag_not_found":
        return key, ConfigError("field required", where=f"{dotted}.{_TAG}")
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, InvalidValueError):
        key = (*key, *cause.key.split(".")) if cause.key else key
        what = _append_value(cause.what, key, kind, given)
        return (*key, *cause.at), ConfigError(what, where=_join_key(key), remedy=cause.remedy)
    return key, ConfigError(_append_value(_get_message(error, kind), key, kind, given), where=dotted)


def _join_key(key: Key) -> str:
    return ".".join(_printable(str(part)) for part in key)


def _get_message(error: ErrorDetails, kind: Any) -> str:  # noqa: ANN401
    """Return the message of a validation error, from the section or from pydantic."""
    if error["type"] in _TABLE_WANTED:
        return "must be a table"
    if error["type"] == "tuple_type":
        return "must be an array of tables" if _list_tables(find_child_type(kind, 0)) else "must be an array"
    text = error["msg"].removeprefix("Value error, ")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _append_value(text: str, key: Key, kind: Any, given: Any) -> str:  # noqa: ANN401
    """Append the given value to a message, unless it is a secret or a table."""
    if kind is SecretStr or key[-1:] == ("url",) or isinstance(given, (dict, list, tuple, BaseModel)):
        return text
    return f"{text}, got {_shown(given)}"


def _printable(text: str) -> str:
    """Shorten a key and escape its control characters for a message."""
    return (text if text.isprintable() else ascii(text)[1:-1])[:_SHOWN]


def _shown(value: Any) -> str:  # noqa: ANN401
    """Return the shortened `repr` of a value for a message."""
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits
        return "a very large number"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
