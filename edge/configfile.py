"""The only reader of the configuration file, the environment and secrets.

A value comes from the environment (``TOCSIN_MQTT__PORT=1884``), else from the file, else from `edge.settings`.
Whatever is wrong is one line that names the place: ``tocsin.toml:7: mqtt.port: …`` or ``TOCSIN_MQTT__PORT: …``.
"""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError

from edge.audio.spec import clash, parse_source
from edge.configkeys import child_of, choices_of, explain, nearest
from edge.errors import ConfigError, Forbidden, UsageError
from edge.settings import Settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge.audio.spec import SourceSpec
    from edge.configkeys import Key

DEFAULT_PATH = Path("/etc/tocsin/tocsin.toml")
PREFIX, DELIMITER = "TOCSIN_", "__"
_NOT_OURS = frozenset({"TOCSIN_DATA"})  # recordings for training and tests
_HEADER = re.compile(r"\s*\[(\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_TOML_LINE = re.compile(r"\s*\(at line (\d+), column \d+\)")


def load_settings(path: Path | None = None, *, environ: Mapping[str, str]) -> Settings:
    """Return the settings of a file and the environment over it.

    Without `path` it is ``/etc/tocsin/tocsin.toml``, or no file where that does not exist. Raises `ConfigError` for
    whatever is wrong, `Forbidden` for a file that may not be read.
    """
    if path is None and DEFAULT_PATH.exists():
        path = DEFAULT_PATH
    values, text = ({}, "") if path is None else _read(path)
    variables = {
        _set_from_environment(values, name, value): name
        for name, value in environ.items()
        if name.startswith(PREFIX) and name not in _NOT_OURS
    }
    places = _Places(path, _lines(text), variables)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as exc:
        errors = exc.errors(include_url=False)
        # A misspelt key tells more than that the right one is missing.
        error = next((error for error in errors if error["type"] == "extra_forbidden"), errors[0])
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        at = error.get("ctx", {}).get("at", ())
        key, text = explain(error)
        msg = f"{places.of((*key, *at))}{text}{more}"
        raise ConfigError(msg) from None
    _check_sources(settings, places)
    return settings


def secret(value: SecretStr | None, file: Path | None, credential: str) -> str | None:
    """Return a secret: as set, else the first line of its file, else the systemd credential of that name, else None.

    Raises `ConfigError` or `Forbidden` for a file that cannot be read.
    """
    if value is not None:
        return value.get_secret_value()
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if file is None and folder and (Path(folder) / credential).exists():
        file = Path(folder) / credential
    # The credentials are called after their keys: mqtt_password stands for mqtt.password.
    key = f"{credential.replace('_', '.', 1)}_file: "
    return None if file is None else _text(file, key).partition("\n")[0].strip()


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
        return f"{self.path}: " if self.path else ""


def _check_sources(settings: Settings, places: _Places) -> None:
    opened: list[SourceSpec] = []
    for n, source in enumerate(settings.sources):
        where = f"{places.of(('sources', n, 'spec'))}sources.{n}.spec: "
        try:
            spec = parse_source(source.spec)
        except UsageError as exc:
            msg = f"{where}{exc}"
            raise ConfigError(msg) from exc
        if not source.enabled:
            continue
        if why := next(filter(None, (clash(spec, other) for other in opened)), None):
            msg = f"{where}{why}; change one of the two or set its enabled = false"
            raise ConfigError(msg)
        opened.append(spec)


def _read(path: Path) -> tuple[dict[str, Any], str]:
    text = _text(path)
    try:
        return tomllib.loads(text), text
    except tomllib.TOMLDecodeError as exc:
        at = _TOML_LINE.search(str(exc))
        line = at.group(1) if at else text.count("\n") + 1
        msg = f"{path}:{line}: not TOML: {_TOML_LINE.sub('', str(exc)).lower()}"
        raise ConfigError(msg) from exc


def _text(path: Path, key: str = "") -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # also as Notepad writes it
    except FileNotFoundError as exc:
        msg = f"{key}{path}: there is no such file"
        raise ConfigError(msg) from exc
    except PermissionError as exc:
        msg = f"{key}{path}: not allowed to read it; give the user that runs tocsin the right to"
        raise Forbidden(msg) from exc
    except UnicodeDecodeError as exc:
        msg = f"{key}{path}: not UTF-8 text"
        raise ConfigError(msg) from exc
    except OSError as exc:
        msg = f"{key}{path}: cannot be read ({exc.strerror})"
        raise ConfigError(msg) from exc


def _lines(text: str) -> dict[Key, int]:
    """Return the line, from 1, on which each key and table of a TOML text begins."""
    found: dict[Key, int] = {}
    counts: dict[Key, int] = {}
    table: Key = ()
    for number, line in enumerate(text.splitlines(), 1):
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
        for n in range(1, len(key) + 1):
            found.setdefault(key[:n], number)
    return found


def _parts(dotted: str) -> Key:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def _set_from_environment(values: dict[str, Any], name: str, text: str) -> Key:
    """Put the value of a variable where it belongs; return its key."""
    key = tuple(name[len(PREFIX) :].lower().split(DELIMITER))
    kind: Any = Settings
    for n, part in enumerate(key):
        choices = choices_of(kind)
        if choices is not None and part not in choices:
            known = [PREFIX + DELIMITER.join((*key[:n], choice)).upper() for choice in choices]
            msg = f"{name}: no such setting{nearest(name, known)}"
            raise ConfigError(msg)
        kind = child_of(kind, part)
    if choices := choices_of(kind):
        msg = f"{name}: is a section; set a value in it, such as {name}{DELIMITER}{choices[0].upper()}"
        raise ConfigError(msg)
    target = values
    for part in key[:-1]:
        target = target.setdefault(part, {})
        if not isinstance(target, dict):
            msg = f"{name}: the file has a plain value where a section is expected"
            raise ConfigError(msg)
    target[key[-1]] = _value(kind, name, text)
    return key


def _value(kind: Any, name: str, text: str) -> Any:  # noqa: ANN401 - pydantic checks it
    if get_origin(kind) is Literal:  # of which one is meant by its text, be it a number
        return next((choice for choice in get_args(kind) if str(choice) == text), text)
    if get_origin(kind) not in (tuple, list, dict):
        return text
    try:
        return json.loads(text)
    except ValueError as exc:
        examples = {tuple: '["lamp"] or [{"name": "mic", "spec": "mic"}]', dict: '{"name": "value"}'}
        msg = f"{name}: must be JSON, such as '{examples[get_origin(kind)]}' ({exc})"
        raise ConfigError(msg) from exc
