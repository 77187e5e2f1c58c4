"""Bounds of every value of the configuration."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from edge.errors import ConfigError
from edge.settings import load as configfile
from edge.settings.example import make_example
from edge.settings.load import load_settings
from edge.settings.schema import make_json_schema
from edge.settings.secrets import mask_settings
from edge.settings.text import format_toml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BOUNDED = {
    "number": ({"minimum", "exclusiveMinimum"}, {"maximum", "exclusiveMaximum"}),
    "integer": ({"minimum", "exclusiveMinimum"}, {"maximum", "exclusiveMaximum"}),
    "string": ({"maxLength", "pattern", "format", "enum", "const"},),
}


@pytest.fixture(autouse=True)
def _no_system_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configfile, "DEFAULT_PATH", tmp_path / "absent.toml")


def find_unbounded(schema: Any, where: str = "") -> Iterator[str]:
    """Yield the paths of the values without bounds."""
    if isinstance(schema, list):
        for n, item in enumerate(schema):
            yield from find_unbounded(item, f"{where}/{n}")
    elif isinstance(schema, dict):
        kind = schema.get("type")
        wanted = () if schema.keys() & {"enum", "const"} or not isinstance(kind, str) else BOUNDED.get(kind, ())
        if not all(schema.keys() & either for either in wanted):
            yield where
        for name, item in schema.items():
            yield from find_unbounded(item, f"{where}/{name}")


def test_every_number_and_every_text_has_bounds() -> None:
    """A new setting without bounds fails here."""
    assert list(find_unbounded(make_json_schema())) == []
    assert list(find_unbounded({"a": [{"type": "number", "minimum": 0}, {"type": "string"}]})) == ["/a/0", "/a/1"]


def find_examples(schema: Any) -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield the examples in a schema, each with the schema of its setting."""
    if isinstance(schema, list):
        for item in schema:
            yield from find_examples(item)
    elif isinstance(schema, dict):
        yield from ((schema, example) for example in schema.get("examples", ()))
        for item in schema.values():
            yield from find_examples(item)


def test_every_example_is_allowed() -> None:
    """Examples of the documentation are valid values."""
    shown = list(find_examples(make_json_schema()))
    assert len(shown) > 10
    for schema, value in shown:
        jsonschema.validate(value, schema)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("detection.update_s", float("inf")),
        ("detection.hold_s", 1e308),
        ("detection.min_windows", 10**30),
        ("detection.classes.siren.smoothing_s", float("nan")),
        ("level.calibration_offset_db", float("nan")),
        ("level.calibration_offset_db", float("-inf")),
        ("claps.refractory_s", 61.0),
        ("away.arming_s", 3601.0),
        ("away.min_duration_s", 10.5),
        ("away.quiet_s", -1.0),
        ("privacy.clip_before_s", 31.0),
        ("storage.retention_days", 1e308),
        ("storage.max_events", 10**30),
        ("storage.path", "a\0b"),
        ("storage.path", "x" * 300),
        ("storage.path", '"/var/lib/tocsin"'),
        ("model.bundle", "a\0b"),
        ("homeassistant.prefix", "ha/#"),
        ("homeassistant.prefix", "ha/"),
        ("mqtt.base", "a\x1bb"),
        ("mqtt.base", "a\uffffb"),
        ("mqtt.client_id", "c" * 70_000),
        ("mqtt.username", "ü" * 40_000),
        ("mqtt.username", "a\0b"),
        ("mqtt.username", "'node'"),
        ("mqtt.client_id", '"node"'),
        ("mqtt.base", '"tocsin"'),
        ("mqtt.ca_file", "'/etc/ca.pem'"),
        ("mqtt.password", "p" * 70_000),
        ("mqtt.password_file", "\0"),
        ("mqtt.host", '"broker"'),
        ("mqtt.host", "mqtt://broker"),
        ("mqtt.host", "broker:1883"),
        ("mqtt.host", "two words"),
        ("mqtt.host", "a..b"),
        ("mqtt.host", "a" * 64),
        ("api.host", "[::1]"),
        ("api.host", "::1::"),
        ("node.location", "95,24.94"),
        ("node.location", "60.17, -181"),
        ("away.ignore", ["a\nb"]),
        ("actions.a", {"type": "webhook", "url": "http://h/", "headers": {"X Y": "1"}}),
        ("actions.a", {"type": "webhook", "url": "http://h/", "headers": {"X": "snowman ☃"}}),
        ("actions.a", {"type": "webhook", "url": "http://h/", "headers": {"X": "a\r\nb"}}),
        ("actions.a", {"type": "mqtt", "topic": "a\tb"}),
        ("actions.a", {"type": "command", "command": ["true"], "working_dir": "/\0"}),
        ("sources", [{"spec": "file:~nosuchuser/a.wav"}]),
        ("sources", [{"name": f"s{n}"} for n in range(600)]),
    ],
)
def test_values_out_of_bounds_are_refused_by_key(tmp_path: Path, key: str, value: object) -> None:
    """The error is one printable line, even if the value is not printable."""
    first, *rest = key.split(".")
    values: dict[str, Any] = {first: value}
    if rest:
        values = {rest[-1]: value}
        for name in (*reversed(rest[:-1]), first):
            values = {name: values}
    file = tmp_path / "tocsin.toml"
    file.write_text(format_toml(values).replace("= null", f"= {value}"))  # only TOML has inf and nan
    with pytest.raises(ConfigError) as caught:
        load_settings(file, environ={})
    for problem in caught.value.problems:
        assert problem.isprintable()
        assert len(problem) < 600
        assert first in problem


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("mqtt.host", "::1"),
        ("mqtt.host", "fe80::1%eth0"),
        ("mqtt.host", "bücher.example"),
        ("api.host", "0.0.0.0"),
        ("node.location", "60.17, 24.94"),
        ("node.location", "Mannerheimintie 95, 24 and 94 🚦"),
        ("node.location", "95,24.94 behind the station"),
        ("homeassistant.prefix", "ha/discovery"),
        ("mqtt.username", 'a "node" of ours'),
        ("model.bundle", "/srv/city's"),
        ("level.calibration_offset_db", 120),
        ("detection.max_duration_s", 86_400.0),
    ],
)
def test_unusual_valid_values_are_accepted(tmp_path: Path, key: str, value: object) -> None:
    """Both kinds of addresses, names of any script or with quotes, and places without coordinates are valid."""
    section, name = key.split(".")
    file = tmp_path / "tocsin.toml"
    file.write_text(format_toml({section: {name: value}}), encoding="utf-8")
    assert getattr(getattr(load_settings(file, environ={}), section), name) == value


@pytest.mark.parametrize(
    "text",
    [
        "[mqtt]\nport = 1" + "0" * 5000,
        "[mqtt]\nport = 0x1" + "0" * 5000,
        "x = " + "[" * 5000 + "]" * 5000,
        "a" + ".a" * 3000 + " = 1",
        "[node]\nid = 1979-05-27T07:32:00Z",
        '[node]\n"a\\nb\\u001b" = 1',
        "[node]\nlocation = '" + "x" * 10_000 + "'",
    ],
)
def test_text_that_the_parser_cannot_read_gives_one_line(tmp_path: Path, text: str) -> None:
    """Huge numbers, unclosed brackets and keys with line breaks give one line."""
    file = tmp_path / "tocsin.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(file, environ={})
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


ODD = (
    "inf",
    "nan",
    "-1",
    "1e308",
    "true",
    "[]",
    "{}",
    "1" + "0" * 400,
    '""',
    '"\\u0000"',
    '"[::1]"',
    '"~nosuchuser/a"',
    f'"{"x" * 9000}"',
)


def mutate(lines: list[str], draw: random.Random) -> str:
    """Return a configuration with one line replaced, deleted, repeated or with a changed character."""
    lines = list(lines)
    n = draw.randrange(len(lines))
    kind, line, at = draw.randrange(4), lines[n], draw.randrange(len(lines[n]))
    if kind == 0:
        lines[n] = f"{line.partition('=')[0]}= {draw.choice(ODD)}"
    elif kind == 1:
        del lines[n]
    elif kind == 2:
        lines.insert(draw.randrange(len(lines)), line)
    else:
        lines[n] = f"{line[:at]}{chr(draw.choice((draw.randrange(128), 0x2028, 0x1F6A6)))}{line[at + 1 :]}"
    return "\n".join(lines)


def test_any_damaged_configuration_gives_lines(tmp_path: Path) -> None:
    """Any damage raises only `ConfigError`, with one line per problem."""
    live = re.sub(r"^# (?=\[|[a-z_]+ = )", "", make_example(), flags=re.MULTILINE)
    lines = [line for line in live.splitlines() if line and not line.startswith("#")]
    file = tmp_path / "tocsin.toml"
    said: list[tuple[str, ...]] = []
    for seed in range(150):
        file.write_text(mutate(lines, random.Random(seed)), encoding="utf-8")
        try:
            mask_settings(load_settings(file, environ={}))
        except ConfigError as exc:
            said.append(exc.problems)
    assert 50 < len(said) < 150
    assert all(problem.isprintable() for problems in said for problem in problems)
