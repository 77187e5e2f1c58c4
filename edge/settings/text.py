"""Reader and writer of TOML text."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

from edge.jsontext import dumps

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Mapping

TomlError = tomllib.TOMLDecodeError
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def read_toml(text: str) -> dict[str, Any]:
    """Return the values of a TOML text.

    Raises `TomlError`, or another `ValueError` for huge numbers.
    """
    values: dict[str, Any] = tomllib.loads(text)
    return values


def format_toml(values: Mapping[str, Any], prefix: str = "") -> str:
    """Return JSON values as TOML, which has no null: None is left out."""
    plain, tables = [], []
    for key, value in values.items():
        name = key if _BARE.fullmatch(key) else format_literal(key)
        if isinstance(value, dict):
            if body := format_toml(value, f"{prefix}{name}."):
                head = "" if all(isinstance(v, dict) for v in value.values()) else f"[{prefix}{name}]\n"
                tables.append(head + body)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            tables += [f"[[{prefix}{name}]]\n{format_toml(item)}" for item in value]
        elif value is not None:
            plain.append(f"{name} = {format_literal(value)}\n")
    return "\n".join(["".join(plain), *tables] if plain else tables)


def format_literal(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return a JSON value as a TOML literal (string, number, boolean or array)."""
    if isinstance(value, str) and '"' in value and "'" not in value and value.isprintable():
        return f"'{value}'"  # readable without escapes
    return dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
