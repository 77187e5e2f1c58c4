"""`tocsin config`: validate, show, and describe the configuration."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from edge.cli.common import say, say_json, settings_of, warn
from edge.cli.preflight import preflight
from edge.configenv import variables_of
from edge.configfile import DEFAULT_PATH, masked
from edge.configtext import example as example_text
from edge.configtext import json_schema, to_toml
from edge.errors import ConfigError
from edge.textfile import is_there

if TYPE_CHECKING:
    from pathlib import Path


def check(config: Path | None) -> int:
    """Read the configuration and look at what it leads to; whatever is wrong is said, a line each."""
    try:
        preflight(settings_of(config))
    except ConfigError as exc:
        if len(exc.problems) == 1:
            raise
        for problem in exc.problems:
            warn(problem)
        return exc.exit_code
    where = config or (DEFAULT_PATH if is_there(DEFAULT_PATH) else None)
    variables = ", ".join(name for name, _ in variables_of(os.environ))
    if where:
        say(f"{where}: fine{f', with {variables} from the environment' if variables else ''}")
    else:
        rest = f", but for {variables} from the environment" if variables else ""
        say(f"fine: there is no {DEFAULT_PATH}, so every value is its default{rest}")
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
