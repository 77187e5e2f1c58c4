"""`tocsin config`: validate, show, and describe the configuration."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from edge.cli.common import models_folder_of, say, say_json, say_table, settings_of, warn
from edge.cli.preflight import preflight
from edge.errors import ConfigError
from edge.settings.environment import variables_of
from edge.settings.example import example as example_text
from edge.settings.load import DEFAULT_PATH
from edge.settings.schema import json_schema
from edge.settings.secrets import masked
from edge.settings.text import to_toml
from edge.settings.textfile import is_there

if TYPE_CHECKING:
    from pathlib import Path

    from edge.detection.rules import Origin

_MARKS: dict[str, str] = {"bundle": "+", "configuration": "*"}


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


def rules(config: Path | None, *, as_json: bool) -> int:
    """Print what makes each label's scores an event, and where each value comes from."""
    from edge.detection.rules import explain_rules
    from edge.inference.bundle import read_bundle
    from edge.inference.library import Library

    settings = settings_of(config)
    bundle = read_bundle(Library(models_folder_of(settings)).resolve(settings.model.bundle)[0])
    explained = explain_rules(bundle.labels, bundle.thresholds, settings.detection)
    if as_json:
        for rule in explained:
            values = {name: {"value": value, "from": origin} for name, (value, origin) in rule.values.items()}
            say_json({"label": rule.label, "alert": {"value": rule.alert, "from": rule.alert_from}, **values})
        return 0
    names = list(explained[0].values)
    rows = [
        [rule.label, _marked("yes" if rule.alert else "no", rule.alert_from)]
        + [_marked(_said(value), origin) for value, origin in (rule.values[name] for name in names)]
        for rule in explained
    ]
    say_table(["label", "alert", *names], rows)
    say(f"\n{_MARKS['bundle']} of the model {bundle.id} {bundle.version}, {_MARKS['configuration']} as configured")
    return 0


def _marked(text: str, origin: Origin) -> str:
    return text + _MARKS.get(origin, "")


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def schema() -> int:
    """Print the JSON Schema."""
    say_json(json_schema(), indent=2)
    return 0


def example() -> int:
    """Print the commented example."""
    say(example_text().rstrip())
    return 0
