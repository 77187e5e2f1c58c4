"""`tocsin config`: check, values, schema and example of the configuration."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from edge.cli.common import find_models_folder, print_json, print_table, print_text, read_settings, warn
from edge.cli.preflight import cross_check
from edge.errors import ConfigError
from edge.settings.environment import find_variables
from edge.settings.example import make_example
from edge.settings.load import DEFAULT_PATH
from edge.settings.schema import make_json_schema
from edge.settings.secrets import mask_settings
from edge.settings.text import format_toml
from edge.settings.textfile import path_exists

if TYPE_CHECKING:
    from pathlib import Path

    from edge.detection.rules import Origin

_MARKS: dict[str, str] = {"bundle": "+", "configuration": "*"}


def check_configuration(config: Path | None) -> int:
    """Check the configuration and everything that it refers to.

    Prints every problem on a line of its own.
    """
    try:
        cross_check(read_settings(config))
    except ConfigError as exc:
        if len(exc.problems) == 1:
            raise
        for problem in exc.problems:
            warn(problem)
        return exc.exit_code
    where = config or (DEFAULT_PATH if path_exists(DEFAULT_PATH) else None)
    variables = ", ".join(name for name, _ in find_variables(os.environ))
    if where:
        print_text(f"{where}: fine{f', with {variables} from the environment' if variables else ''}")
    else:
        rest = f", but for {variables} from the environment" if variables else ""
        print_text(f"fine: there is no {DEFAULT_PATH}, so every value is its default{rest}")
    return 0


def print_settings(config: Path | None, *, as_json: bool) -> int:
    """Print the effective values."""
    values = mask_settings(read_settings(config))
    if as_json:
        print_json(values, indent=2)
    else:
        print_text(format_toml(values).rstrip())
    return 0


def print_rules(config: Path | None, *, as_json: bool) -> int:
    """Print the detection rule of each label, with the origin of each value."""
    from edge.detection.rules import explain_rules
    from edge.inference.bundle import read_bundle
    from edge.inference.library import Library

    settings = read_settings(config)
    bundle = read_bundle(Library(find_models_folder(settings)).resolve(settings.model.bundle)[0])
    explained = explain_rules(bundle.labels, bundle.thresholds, settings.detection)
    if as_json:
        for rule in explained:
            values = {name: {"value": value, "from": origin} for name, (value, origin) in rule.values.items()}
            print_json({"label": rule.label, "alert": {"value": rule.alert, "from": rule.alert_from}, **values})
        return 0
    names = list(explained[0].values)
    rows = [
        [rule.label, _mark("yes" if rule.alert else "no", rule.alert_from)]
        + [_mark(_format_value(value), origin) for value, origin in (rule.values[name] for name in names)]
        for rule in explained
    ]
    print_table(["label", "alert", *names], rows)
    print_text(
        f"\n{_MARKS['bundle']} of the model {bundle.id} {bundle.version}, {_MARKS['configuration']} as configured"
    )
    return 0


def _mark(text: str, origin: Origin) -> str:
    return text + _MARKS.get(origin, "")


def _format_value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def print_schema() -> int:
    """Print the JSON Schema."""
    print_json(make_json_schema(), indent=2)
    return 0


def print_example() -> int:
    """Print the commented example."""
    print_text(make_example().rstrip())
    return 0
