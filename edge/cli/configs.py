"""`tocsin config`: validate, show, and describe the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.cli.common import say, say_json, settings_of
from edge.cli.preflight import preflight
from edge.configfile import DEFAULT_PATH, masked
from edge.configtext import example as example_text
from edge.configtext import json_schema, to_toml

if TYPE_CHECKING:
    from pathlib import Path


def check(config: Path | None) -> int:
    """Read the configuration and look at what it leads to; whatever is wrong is raised."""
    preflight(settings_of(config))
    where = config or (DEFAULT_PATH if DEFAULT_PATH.exists() else None)
    say(f"{where}: fine" if where else f"fine: there is no {DEFAULT_PATH}, so every value is its default")
    return 0


def show(config: Path | None, *, as_json: bool) -> int:
    """Print the effective values."""
    values = masked(settings_of(config))
    if as_json:
        say_json(values, indent=2)
    else:
        say(to_toml(values).rstrip())
    return 0


def schema() -> int:
    """Print the JSON Schema."""
    say_json(json_schema(), indent=2)
    return 0


def example() -> int:
    """Print the commented example."""
    say(example_text().rstrip())
    return 0
