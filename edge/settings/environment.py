"""Settings from environment variables, such as ``TOCSIN_MQTT__PORT=1884``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from edge.errors import ConfigError, suggest
from edge.settings.keys import find_child_type, list_keys
from edge.settings.tree import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from edge.settings.keys import Key

_PREFIX, _DELIMITER = "TOCSIN_", "__"
_NOT_OURS = frozenset({"TOCSIN_DATA"})  # recordings for training and tests


def find_variables(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the names and values of the variables with settings."""
    yield from ((n, value) for n, value in environ.items() if n.startswith(_PREFIX) and n not in _NOT_OURS)


def set_variable(values: dict[str, Any], name: str, text: str) -> Key:
    """Add the value of a variable to `values` and return its key.

    Raises `ConfigError`.
    """
    try:
        f"{name}{text}".encode()
    except UnicodeEncodeError as exc:  # bytes of another encoding
        msg = "the variable is not UTF-8 text"
        raise ConfigError(msg, where=ascii(name)[1:-1]) from exc
    key = tuple(name[len(_PREFIX) :].lower().split(_DELIMITER))
    kind: Any = Settings
    for n, part in enumerate(key):
        choices = list_keys(kind)
        if choices is not None and part not in choices:
            known = [_PREFIX + _DELIMITER.join((*key[:n], choice)).upper() for choice in choices]
            msg = "there is no such setting"
            raise ConfigError(msg, where=name, remedy=suggest(name, known))
        kind = find_child_type(kind, part)
    if choices := list_keys(kind):
        msg, remedy = "this is a section", f"set a value in it, such as {name}{_DELIMITER}{choices[0].upper()}"
        raise ConfigError(msg, where=name, remedy=remedy)
    target = values
    for part in key[:-1]:
        target = target.setdefault(part, {})
        if not isinstance(target, dict):
            msg = "the file has a plain value where a section is expected"
            raise ConfigError(msg, where=name)
    target[key[-1]] = _parse_value(kind, name, text)
    return key


def _parse_value(kind: Any, name: str, text: str) -> Any:  # noqa: ANN401 - pydantic checks it
    if get_origin(kind) is Literal:  # the variable holds the text of a choice, also of a number
        return next((choice for choice in get_args(kind) if str(choice) == text), text)
    if get_origin(kind) not in (tuple, list, dict):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        examples = {tuple: '["lamp"] or [{"name": "mic", "spec": "mic"}]', dict: '{"name": "value"}'}
        msg = f"the value must be JSON, such as '{examples[get_origin(kind)]}' ({exc})"
        raise ConfigError(msg, where=name) from exc
