"""Frozen records built from plain values, with the key at fault in every message.

`edge.settings.section.Section` would change recipes and messages: pydantic accepts `"5"` and `5.0` as a whole number
and 1 as true, and names a row of `model.stages` by its number. The records are also built by position, copied by
`dataclasses.replace` and stored in checkpoints as plain values, which a `Section` does not support.
"""

from __future__ import annotations

import dataclasses
import typing
from typing import Any, TypeVar

from edge.errors import ConfigError, suggest

T = TypeVar("T")


def build_record(cls: type[T], values: Any, where: str = "") -> T:  # noqa: ANN401 - plain values of any shape
    """Build a record from plain values.

    Raises `ConfigError` with the key at fault below `where`.
    """
    if not isinstance(values, dict):
        msg = f"{where or 'the file'} must be a table, not {values!r}"
        raise ConfigError(msg, where="config")
    hints = typing.get_type_hints(cls)
    if unknown := sorted(set(values) - set(hints)):
        msg = f"unknown key {where}{unknown[0]}"
        raise ConfigError(msg, where="config", remedy=suggest(unknown[0], list(hints)))
    fields = dataclasses.fields(cls)  # type: ignore[arg-type] # every caller has a record
    needed = [field.name for field in fields if field.default is field.default_factory is dataclasses.MISSING]
    if absent := [name for name in needed if name not in values]:
        msg = f"{where}{absent[0]} is missing"
        raise ConfigError(msg, where="config")
    return cls(**{name: _convert(hints[name], value, f"{where}{name}") for name, value in values.items()})


def _convert(hint: Any, value: Any, where: str) -> Any:  # noqa: ANN401 - a field of any type
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return build_record(hint, value, f"{where}.")
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and isinstance(value, (list, tuple)):
        kinds = [args[0]] * len(value) if args[-1] is Ellipsis else args
        if len(kinds) == len(value):
            return tuple(_convert(kind, item, where) for kind, item in zip(kinds, value, strict=True))
    elif origin is dict and isinstance(value, dict):
        return {str(key): _convert(args[1], item, f"{where}.{key}") for key, item in value.items()}
    elif hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    elif isinstance(hint, type) and type(value) is hint:
        return value
    msg = f"{value!r} does not fit {hint}"
    raise ConfigError(msg, where=f"config: {where}")
