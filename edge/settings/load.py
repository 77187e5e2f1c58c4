"""The only reader of the configuration file, the environment and secrets.

A value comes from the environment (``TOCSIN_MQTT__PORT=1884``), else from the file, else from `edge.settings.tree`.
Whatever is wrong is one line that names the place: ``tocsin.toml:7: mqtt.port: …`` or ``TOCSIN_MQTT__PORT: …``.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError

from edge.errors import ConfigError, UsageError
from edge.settings.environment import set_from_environment, variables_of
from edge.settings.keys import explain
from edge.settings.source_spec import clash, parse_source
from edge.settings.textfile import is_there, read_text
from edge.settings.tree import Settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge.settings.keys import Key
    from edge.settings.source_spec import SourceSpec

DEFAULT_PATH = Path("/etc/tocsin/tocsin.toml")
_DEPTH = 16  # of keys whose line is kept; none that means anything is half as deep
_FILE_BYTES, _SECRET_BYTES = 1 << 20, 1 << 14
_HEADER = re.compile(r"\s*\[(\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_TOML_LINE = re.compile(r"\s*\(at line (\d+), column \d+\)")


def load_settings(path: Path | None = None, *, environ: Mapping[str, str]) -> Settings:
    """Return the settings of a file and the environment over it.

    Without `path` it is ``/etc/tocsin/tocsin.toml``, or no file where that does not exist. Raises `ConfigError` for
    all that is wrong, `Forbidden` for a file that may not be read.
    """
    values, text, path = _read(path)
    problems: list[str] = []
    variables: dict[Key, str] = {}
    for name, value in variables_of(environ):
        try:
            variables[set_from_environment(values, name, value)] = name
        except ConfigError as exc:
            problems.append(str(exc))
    places = _Places(path, _lines(text), variables)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as exc:
        raise ConfigError(*problems, *_explained(exc, places)) from None
    if problems := problems + _wrong_sources(settings, places):
        raise ConfigError(*problems)
    return settings


def _explained(exc: ValidationError, places: _Places) -> list[str]:
    """Return what is wrong with the values, misspelt keys first: they tell more than that the right one is missing."""
    errors = exc.errors(include_url=False)
    errors.sort(key=lambda error: error["type"] != "extra_forbidden")
    problems = []
    for error in errors:
        key, text = explain(error)
        at = error.get("ctx", {}).get("at", ())
        problems.append(f"{places.of((*key, *at))}{text}")
    return list(dict.fromkeys(problems))


def secret(value: SecretStr | None, file: Path | None, credential: str) -> str | None:
    """Return a secret: as set, else the first line of its file, else the systemd credential of that name, else None.

    Raises `ConfigError` or `Forbidden` for a file that cannot be read.
    """
    if value is not None:
        return value.get_secret_value()
    # The credentials are called after their keys: mqtt_password stands for mqtt.password.
    key = f"{credential.replace('_', '.', 1)}_file: "
    if file is None:
        folder = os.environ.get("CREDENTIALS_DIRECTORY")
        if not folder or not is_there(Path(folder) / credential):
            return None
        file = Path(folder) / credential
    return read_text(file, max_bytes=_SECRET_BYTES, key=key).partition("\n")[0].strip()


def masked(settings: Settings) -> dict[str, Any]:
    """Return the settings as JSON values, with passwords, tokens and what webhooks are sent as stars."""
    values = settings.model_dump(mode="json", by_alias=True)
    for source in values["sources"]:
        source["spec"] = parse_source(source["spec"]).masked
    for action in values["actions"].values():
        if "url" in action:
            action["url"] = _masked_url(action["url"])
            action["body"] = action["body"] and "***"
    return values


def _masked_url(url: str) -> str:
    """Return where an address leads, and stars for the rest: a webhook's path is often its secret."""
    parts = urlsplit(url)
    _, user, host = parts.netloc.rpartition("@")
    rest = "***" if parts.path.strip("/") or parts.query or parts.fragment else ""
    return f"{parts.scheme}://{'***@' if user else ''}{host}/{rest}"


def state_dir(settings: Settings, *, environ: Mapping[str, str]) -> Path:
    """Return the folder of history, clips and installed models: as set, systemd's, or the user's."""
    if settings.storage.path is not None:
        return settings.storage.path
    if given := environ.get("STATE_DIRECTORY"):
        return Path(given.partition(":")[0])
    base = environ.get("XDG_STATE_HOME") or Path(environ.get("HOME") or "/var/lib") / ".local" / "state"
    return Path(base) / "tocsin"


@dataclass(frozen=True)
class _Places:
    """Where each value of the configuration was written."""

    path: Path | None
    lines: Mapping[Key, int]
    variables: Mapping[Key, str]

    def of(self, key: Key) -> str:
        """Return the place of a key, or of what it stands in, as the beginning of a message."""
        parts = [key[:n] for n in range(len(key), 0, -1)]
        for part in parts:
            if part in self.variables:
                return f"{self.variables[part]}: "
        for part in parts:
            if part in self.lines:
                return f"{self.path}:{self.lines[part]}: "
            # A variable that sets one key of a table makes the whole table.
            if below := next((name for set_, name in self.variables.items() if set_[: len(part)] == part), None):
                return f"{below}: "
        return f"{self.path}: " if self.path else ""


def _wrong_sources(settings: Settings, places: _Places) -> list[str]:
    opened: list[SourceSpec] = []
    problems = []
    for n, source in enumerate(settings.sources):
        where = f"{places.of(('sources', n, 'spec'))}sources.{n}.spec: "
        try:
            spec = parse_source(source.spec)
        except UsageError as exc:
            problems.append(f"{where}{exc}")
            continue
        if not source.enabled:
            continue
        if why := next(filter(None, (clash(spec, other) for other in opened)), None):
            problems.append(f"{where}{why}; change one of the two or set its enabled = false")
        opened.append(spec)
    return problems


def _read(path: Path | None) -> tuple[dict[str, Any], str, Path | None]:
    """Return the values of a file, its text and its path; nothing without a path where there is no such file."""
    if path is None and not is_there(DEFAULT_PATH):
        return {}, "", None
    path = path or DEFAULT_PATH
    text = read_text(path, max_bytes=_FILE_BYTES)
    try:
        return tomllib.loads(text), text, path
    except tomllib.TOMLDecodeError as exc:
        at = _TOML_LINE.search(str(exc))
        line = at.group(1) if at else text.count("\n") + 1
        msg = f"{path}:{line}: not TOML: {_TOML_LINE.sub('', str(exc)).lower()}"
        raise ConfigError(msg) from exc
    except (ValueError, RecursionError) as exc:  # a number of thousands of digits, thousands of brackets
        msg = f"{path}: a number is too long or brackets are too deep to be read"
        raise ConfigError(msg) from exc


def _lines(text: str) -> dict[Key, int]:
    """Return the line, from 1, on which each key and table of a TOML text begins."""
    found: dict[Key, int] = {}
    counts: dict[Key, int] = {}
    table: Key = ()
    for number, line in enumerate(text.split("\n"), 1):
        if header := _HEADER.match(line):
            table = _parts(header.group(2))
            if header.group(1):
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            key = table
        elif assignment := _KEY.match(line):
            key = (*table, *_parts(assignment.group(1)))
        else:
            continue
        for n in range(1, min(len(key), _DEPTH) + 1):
            found.setdefault(key[:n], number)
    return found


def _parts(dotted: str) -> Key:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
