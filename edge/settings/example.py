"""A commented example of the configuration, generated from the declarations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args, get_origin

from edge.settings.actions import CommandAction, MqttAction, Toggle, WebhookAction
from edge.settings.away import Span
from edge.settings.claps import ClapPattern
from edge.settings.detection import DetectionClass, get_built_in_values
from edge.settings.text import format_literal
from edge.settings.tree import Settings, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

_HEAD = """\
# Tocsin's configuration. Every value has a default, so an empty file is valid. A line that is commented out shows the
# default. A line with 'for example', and every line below a table that is commented out, shows an example instead.
# Check the file with 'tocsin config check'.
# Environment variables override the file: TOCSIN_MQTT__HOST=broker.example
"""
_PER_LABEL = """\
# A value that is set here applies to every label. By default each label has its own, from the model or built in;
# 'tocsin config show --rules' prints them. The keys are:
"""
_OF_THE_MODEL = """\
# Other keys; by default from the model ('tocsin config show --rules' prints them):
"""


@dataclass(frozen=True)
class _Table:
    """A table of the example below a section."""

    head: str
    kind: type[BaseModel] | None
    """None for a table with arbitrary keys."""
    note: str
    values: Mapping[str, Any] = field(default_factory=dict)
    """Values instead of the defaults; a key with None is left out."""


_LAMP = "zigbee2mqtt/lamp"
_TABLES: dict[str, tuple[_Table, ...]] = {
    "detection": (
        _Table(
            "[detection.classes.siren]",
            DetectionClass,
            "Exceptions for one label; the values shown are the built-in ones of a siren.",
            {"alert": True, **get_built_in_values("siren")},
        ),
    ),
    "claps": (
        _Table(
            "[claps.patterns.double]",
            ClapPattern,
            "Two claps start [actions.lamp] below.",
            {"claps": 2, "rhythm": None, "tolerance": None, "tempo_s": None, "actions": ["lamp"]},
        ),
        _Table(
            "[claps.patterns.triple]",
            ClapPattern,
            "Three claps start [actions.television].",
            {"claps": 3, "rhythm": None, "tolerance": None, "tempo_s": None, "actions": ["television"]},
        ),
        _Table(
            "[claps.patterns.long-short-short]",
            ClapPattern,
            "A rhythm of your own; 'tocsin claps learn' prints one.",
            {"claps": None, "actions": ["lamp"]},
        ),
    ),
    "away": (
        _Table("[[away.schedule]]", Span, "One block per span.", {"from": "08:00", "to": "17:30"}),
        _Table("[[away.quiet_hours]]", Span, "One block per span.", {"from": "23:00", "to": "06:00"}),
    ),
    "actions": (
        _Table(
            "[actions.lamp]",
            MqttAction,
            "Toggle a lamp of Zigbee2MQTT.",
            {"type": "mqtt", "topic": f"{_LAMP}/set", "toggle": None},
        ),
        _Table(
            "[actions.lamp.toggle]",
            Toggle,
            "For Tasmota: topic cmnd/lamp/POWER, state_topic stat/lamp/POWER, no state_key, payloads ON and OFF.",
            {
                "state_topic": _LAMP,
                "state_key": "state",
                "payload_on": '{"state": "ON"}',
                "payload_off": '{"state": "OFF"}',
            },
        ),
        _Table(
            "[actions.television]",
            WebhookAction,
            "Call Home Assistant, which switches the television.",
            {"type": "webhook", "url": "http://homeassistant.local:8123/api/webhook/television", "headers": None},
        ),
        _Table(
            "[actions.television.headers]",
            None,
            "Values of headers are secrets: every output masks them.",
            {"authorization": "Bearer correct horse"},
        ),
        _Table(
            "[actions.alarm]",
            CommandAction,
            "Run a program.",
            {"type": "command", "command": ["/usr/local/bin/alarm", "$source", "$time"]},
        ),
    ),
}


def make_example() -> str:
    """Generate a configuration file with every key, its meaning and its default."""
    parts = [_HEAD]
    for name, entry in Settings.model_fields.items():
        kind: Any = entry.annotation
        if get_origin(kind) is tuple:
            parts.append(_format_table(_Table(f"[[{name}]]", Source, "One block per source.")))
        elif get_origin(kind) is dict:
            parts.append(f"# {_capitalize(entry.description)}\n# [{name}]\n")
        else:
            parts.append(_format_table(_Table(f"[{name}]", kind, (kind.__doc__ or "").splitlines()[0])))
        parts += [_format_table(table, commented="# ") for table in _TABLES.get(name, ())]
    return "\n".join(parts)


def _format_table(table: _Table, commented: str = "") -> str:
    lines = [f"# {table.note}", f"{commented}{table.head}"]
    if table.kind is None:
        lines += [f"# {key} = {format_literal(value)}" for key, value in table.values.items()]
        return "\n".join(lines) + "\n"
    about = (table.kind.__doc__ or "").splitlines()[0]
    per_label = []
    for name, entry in table.kind.model_fields.items():
        key = entry.alias or name
        if get_origin(entry.annotation) is dict or _is_below(table.head, key) or table.values.get(key, "") is None:
            continue  # shown as tables of their own
        if issubclass(table.kind, DetectionClass) and entry.default is None and key not in table.values:
            per_label.append(f"#   {key}: {_describe(entry)}\n")
            continue
        shown = table.values.get(key, entry.examples[0] if entry.examples else entry.default)
        is_example = not commented and shown != entry.default
        note = f"{'for example; ' if is_example else ''}{_describe(entry) or about}"
        lines.append(f"# {key} = {format_literal(shown)}".ljust(36) + f"  # {note}")
    about_labels = _OF_THE_MODEL if commented else _PER_LABEL
    return "\n".join(lines) + "\n" + "".join([about_labels, *per_label] if per_label else [])


def _is_below(head: str, key: str) -> bool:
    """Return whether a key of the section has tables of its own."""
    section = head.strip("[]")
    return any(table.head == f"[[{section}.{key}]]" for tables in _TABLES.values() for table in tables)


def _capitalize(text: str | None) -> str:
    return f"{(text or '')[:1].upper()}{(text or '')[1:]}."


def _describe(entry: FieldInfo) -> str:
    """Describe a setting; empty for the key that names the kind of a table."""
    if not entry.description:
        return ""
    choices = [repr(arm) for arm in _iterate_types(entry.annotation) if isinstance(arm, str)]
    return f"{entry.description}{': ' if choices else ''}{', '.join(choices)}"


def _iterate_types(kind: Any) -> Iterator[Any]:  # noqa: ANN401 - annotations are of any type
    args = get_args(kind)
    if not args:
        yield kind
    for arg in args:
        yield from _iterate_types(arg)
