"""TOML files of `training` and `export`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from edge.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from pathlib import Path


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises `ConfigError` for anything else, `OSError` when it cannot be read.
    """
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        msg = f"the file is not valid TOML: {exc}"
        raise ConfigError(msg, where=path) from exc
    return values


def parse_toml_value(text: str) -> Any:  # noqa: ANN401 - any TOML value
    """Parse a TOML value; a bare word is a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
