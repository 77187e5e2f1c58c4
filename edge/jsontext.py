"""The only JSON encoder, which writes NaN and infinities as null."""

from __future__ import annotations

import functools
import json
import math
import re
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Hashable

_SURROGATES = re.compile("[\ud800-\udfff]")


def dumps(value: object, **options: Any) -> str:  # noqa: ANN401 - those of `json.dumps`
    """Return `value` as JSON that every parser accepts."""
    try:
        return json.dumps(value, allow_nan=False, default=_members, **options)  # noqa: TID251 - the place that all others use
    except ValueError:
        return json.dumps(_replace_nonfinite(value), allow_nan=False, **options)  # noqa: TID251 - likewise


def encode(value: object) -> bytes:
    """Return `value` as one line of JSON in UTF-8.

    A byte of a file name that is not UTF-8, which Python keeps as a surrogate, becomes U+FFFD, because some parsers
    refuse a lone surrogate.
    """
    text = dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _SURROGATES.sub("\ufffd", text).encode()


def _members(record: object) -> dict[str, Any]:
    """Return the members of a record, a dataclass, without empty optional fields.

    A field is optional if its default is None.
    """
    names = _names(cast("Hashable", type(record)))
    return {name: value for name, kept in names if (value := getattr(record, name)) is not None or kept}


@functools.lru_cache
def _names(kind: Any) -> tuple[tuple[str, bool], ...]:  # noqa: ANN401 - a class
    """Return the names of a record's fields, each with whether None is written."""
    if not is_dataclass(kind):
        msg = f"{kind.__name__} is no JSON value"
        raise TypeError(msg)
    return tuple((field.name, field.default is not None) for field in fields(kind))


def _replace_nonfinite(value: object) -> object:
    if is_dataclass(value):
        value = _members(value)
    if isinstance(value, dict):
        return {_replace_nonfinite(key): _replace_nonfinite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_replace_nonfinite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
