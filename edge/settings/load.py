"""The only reader of the configuration file and the environment.

A value comes from the environment (``TOCSIN_MQTT__PORT=1884``), else from the file, else from `edge.settings.tree`.
Every problem is one line that names the place: ``tocsin.toml:7: mqtt.port: …`` or ``TOCSIN_MQTT__PORT: …``.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from edge.errors import ConfigError, TocsinError, UsageError, join_problems
from edge.settings.environment import find_variables, set_variable
from edge.settings.keys import explain
from edge.settings.lines import find_lines
from edge.settings.source_spec import explain_clash, parse_source
from edge.settings.text import TomlError, read_toml
from edge.settings.textfile import path_exists, read_text
from edge.settings.tree import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge.settings.keys import Key
    from edge.settings.source_spec import SourceSpec

DEFAULT_PATH = Path("/etc/tocsin/tocsin.toml")
_FILE_BYTES = 1 << 20
_TOML_LINE = re.compile(r"\s*\(at line (\d+), column \d+\)")


def load_settings(path: Path | None = None, *, environ: Mapping[str, str]) -> Settings:
    """Load the settings from a file and the environment.

    Without `path` the file is ``/etc/tocsin/tocsin.toml``, if it exists. Raises `ConfigError` with all problems, or
    `Forbidden` for a file that may not be read.
    """
    values, text, path = _read_file(path)
    problems: list[TocsinError] = []
    variables: dict[Key, str] = {}
    for name, value in find_variables(environ):
        try:
            variables[set_variable(values, name, value)] = name
        except ConfigError as exc:
            problems.append(exc)
    places = _Places(path, text, variables)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as exc:
        raise join_problems([*problems, *_explain_errors(exc, places)]) from None
    if problems := problems + _check_sources(settings, places):
        raise join_problems(problems)
    return settings


def _explain_errors(exc: ValidationError, places: _Places) -> list[TocsinError]:
    """Return the problems of a validation error, unknown keys first.

    A misspelt key explains more than the message that the right one is missing.
    """
    errors = exc.errors(include_url=False)
    errors.sort(key=lambda error: error["type"] != "extra_forbidden")
    problems: dict[str, TocsinError] = {}
    for error in errors:
        key, problem = explain(error)
        problem.where = _join(places.of(key), problem.where)
        problems.setdefault(str(problem), problem)
    return list(problems.values())


def _join(*places: str) -> str:
    """Return one place that is named by its parts, the outer one first."""
    return ": ".join(filter(None, places))


def find_state_dir(settings: Settings, *, environ: Mapping[str, str]) -> Path:
    """Return the state folder: as configured, else systemd's, else the user's.

    It contains history, clips and installed models.
    """
    if settings.storage.path is not None:
        return settings.storage.path
    if given := environ.get("STATE_DIRECTORY"):
        return Path(given.partition(":")[0])
    base = environ.get("XDG_STATE_HOME") or Path(environ.get("HOME") or "/var/lib") / ".local" / "state"
    return Path(base) / "tocsin"


@dataclass(frozen=True)
class _Places:
    """Origins of the configuration's values: lines of the file and variables."""

    path: Path | None
    text: str
    variables: Mapping[Key, str]

    @functools.cached_property
    def lines(self) -> Mapping[Key, int]:
        """The line numbers of the keys in the file; needed for errors only."""
        return find_lines(self.text)

    def of(self, key: Key) -> str:
        """Return the origin of a key or of its table; empty if it has none."""
        parts = [key[:n] for n in range(len(key), 0, -1)]
        for part in parts:
            if part in self.variables:
                return self.variables[part]
        for part in parts:
            if part in self.lines:
                return f"{self.path}:{self.lines[part]}"
            # A variable for one key of a table can create the whole table.
            if below := next((name for set_, name in self.variables.items() if set_[: len(part)] == part), None):
                return below
        return str(self.path or "")


def _check_sources(settings: Settings, places: _Places) -> list[TocsinError]:
    opened: list[SourceSpec] = []
    problems: list[TocsinError] = []
    for n, source in enumerate(settings.sources):
        place = _join(places.of(("sources", n, "spec")), f"sources.{n}.spec")
        try:
            spec = parse_source(source.spec)
        except UsageError as exc:
            problems.append(ConfigError(exc.what, where=_join(place, exc.where), remedy=exc.remedy))
            continue
        if not source.enabled:
            continue
        if why := next(filter(None, (explain_clash(spec, other) for other in opened)), None):
            remedy = "change one of the two or set its enabled = false"
            problems.append(ConfigError(why, where=place, remedy=remedy))
        opened.append(spec)
    return problems


def _read_file(path: Path | None) -> tuple[dict[str, Any], str, Path | None]:
    """Return the values, text and path of a file.

    All are empty if there is no `path` and no default file.
    """
    if path is None and not path_exists(DEFAULT_PATH):
        return {}, "", None
    path = path or DEFAULT_PATH
    text = read_text(path, max_bytes=_FILE_BYTES)
    try:
        return read_toml(text), text, path
    except TomlError as exc:
        at = _TOML_LINE.search(str(exc))
        line = at.group(1) if at else text.count("\n") + 1
        msg = f"the file is not valid TOML: {_TOML_LINE.sub('', str(exc)).lower()}"
        raise ConfigError(msg, where=f"{path}:{line}") from exc
    except (ValueError, RecursionError) as exc:  # a number of thousands of digits, thousands of brackets
        msg = "the file holds a number that is too long, or brackets that are too deep"
        raise ConfigError(msg, where=path) from exc
