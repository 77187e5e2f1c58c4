"""Settings of claps, away mode and actions: reading, display, schema and error messages."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import jsonschema
import pytest

from edge.errors import ConfigError
from edge.settings import load as configfile
from edge.settings.actions import CommandAction, MqttAction, WebhookAction
from edge.settings.example import make_example
from edge.settings.load import load_settings
from edge.settings.schema import make_json_schema
from edge.settings.secrets import mask_settings
from edge.settings.text import format_toml
from edge.settings.tree import Settings
from tests.support.configs import assert_error_names_line

if TYPE_CHECKING:
    from pathlib import Path

MQTT = "[actions.lamp]\ntype = 'mqtt'\ntopic = 'lamp/set'\n"
WEBHOOK = "[actions.tv]\ntype = 'webhook'\nurl = 'http://tv/'\n"
COMMAND = "[actions.bell]\ntype = 'command'\n"
EVERYTHING = f"""
[claps]
enabled = true
[claps.patterns.double]
claps = 2
actions = ["lamp"]
[claps.patterns.knock]
rhythm = [1, 0.5, 0.5]
[away]
enabled = true
actions = ["tv", "bell"]
[[away.schedule]]
from = "08:00"
to = "17:30"
days = ["mon", "fri"]
[[away.quiet_hours]]
from = "22:00"
to = "06:00"
{MQTT}
[actions.lamp.toggle]
state_topic = "lamp"
{WEBHOOK}
{COMMAND}command = ["ring", "$event"]
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(configfile, "DEFAULT_PATH", tmp_path / "absent.toml")
    return tmp_path / "tocsin.toml"


def test_printed_settings_read_back_the_same(file: Path) -> None:
    """Spans, actions of each kind, and patterns besides or instead of double and triple survive a round trip."""
    file.write_text(EVERYTHING)
    settings = load_settings(file, environ={})
    assert [type(action) for action in settings.actions.values()] == [MqttAction, WebhookAction, CommandAction]
    assert settings.away.schedule[0].begin == "08:00"
    shown = format_toml(mask_settings(settings))
    file.write_text(shown)
    assert load_settings(file, environ={}) == settings
    assert '[[away.schedule]]\nfrom = "08:00"\nto = "17:30"' in shown


def test_shown_values_and_defaults_follow_the_schema(file: Path) -> None:
    """The JSON Schema has every kind of action, and the keys of the file."""
    file.write_text(EVERYTHING)
    schema = make_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for settings in (load_settings(file, environ={}), Settings()):
        jsonschema.validate(mask_settings(settings), schema)
    for wrong in (
        {"actions": {"lamp": {"type": "mqtt"}}},
        {"away": {"schedule": [{"begin": "08:00", "end": "09:00"}]}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


def test_secrets_of_actions_are_masked(file: Path) -> None:
    """Headers, and the user, path and query of an address, are masked; scheme and host stay."""
    file.write_text(
        "[actions.tv]\ntype = 'webhook'\nurl = 'https://bob:sesame1@tv.example:8443/on?key=sesame2'\n"
        "headers = { Authorization = 'Bearer sesame3' }\n"
    )
    values = mask_settings(load_settings(file, environ={}))
    assert "sesame" not in json.dumps(values)
    assert values["actions"]["tv"]["url"] == "https://***@tv.example:8443/***"
    assert list(values["actions"]["tv"]["headers"]) == ["Authorization"]


def test_the_environment_reaches_into_actions_and_spans(file: Path) -> None:
    """Variables set single values of an action, whole arrays as JSON, and choices of numbers."""
    file.write_text(MQTT + WEBHOOK)
    environ = {
        "TOCSIN_ACTIONS__LAMP__TOPIC": "other/set",
        "TOCSIN_ACTIONS__LAMP__QOS": "0",
        "TOCSIN_ACTIONS__LAMP__TOGGLE__STATE_TOPIC": "other",
        "TOCSIN_ACTIONS__TV__HEADERS": '{"Authorization": "Bearer x"}',
        "TOCSIN_AWAY__SCHEDULE": '[{"from": "22:00", "to": "06:00"}]',
        "TOCSIN_AWAY__ACTIONS": '["lamp"]',
        "TOCSIN_CLAPS__PATTERNS__DOUBLE__CLAPS": "2",
    }
    settings = load_settings(file, environ=environ)
    lamp, tv = settings.actions["lamp"], settings.actions["tv"]
    assert isinstance(lamp, MqttAction)
    assert isinstance(tv, WebhookAction)
    assert (lamp.topic, lamp.qos, lamp.toggle and lamp.toggle.state_topic) == ("other/set", 0, "other")
    assert tv.headers["Authorization"].get_secret_value() == "Bearer x"
    assert settings.away.schedule[0].end == "06:00"
    assert settings.away.actions == ("lamp",)
    assert settings.claps.patterns["double"].claps == 2


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[actions.lamp]\ntype = 'mqqt'\ntopic = 'x'", 2, "actions.lamp.type: 'mqqt' is unknown; did you mean 'mqtt'?"),
        ("[actions.lamp]\ntopic = 'x'", 1, "actions.lamp.type: field required"),
        ("[actions.lamp]\ntype = 'mqtt'", 1, "actions.lamp.topic: field required"),
        (MQTT + "payloda = 'x'", 4, "unknown key 'actions.lamp.payloda'; did you mean 'payload'?"),
        (MQTT + "command = ['x']", 4, "unknown key 'actions.lamp.command'; known are type, topic, payload"),
        (MQTT + "[actions.lamp.toggle]\nstate_topci = 'x'", 5, "'actions.lamp.toggle.state_topci'; did you mean"),
        (MQTT + "qos = 3", 4, "actions.lamp.qos: input should be 0 or 1, got 3"),
        ("[actions]\nlamp = 3", 2, "actions.lamp: must be a table, got 3"),
        ("[actions.'My Lamp']\ntype = 'mqtt'\ntopic = 'x'", 1, "actions.My Lamp: string should match pattern"),
        ("[actions.tv]\ntype = 'webhook'\nurl = 'tv'", 3, "actions.tv.url: input should be a valid URL"),
        ("[actions.tv]\ntype = 'webhook'\nurl = 'http://me:1#2@tv/'", 3, "must not hold # itself; write %23"),
        ("[actions.tv]\ntype = 'webhook'\nurl = 'http://me:a/b@tv/'", 3, "must not hold / itself; write %2F"),
        (WEBHOOK + "[actions.tv.headers]\nAuthorization = 3", 5, "actions.tv.headers.Authorization: input should be"),
        (COMMAND + "command = 'ls -l'", 3, "actions.bell.command: must be an array, got 'ls -l'"),
        (COMMAND + "command = []", 3, "actions.bell.command: "),
        ("[away]\nmargin_d = 3", 2, "unknown key 'away.margin_d'; did you mean 'margin_db'?"),
        ("[away]\nschedule = '22:00'", 2, "away.schedule: must be an array of tables"),
        ("[[away.schedule]]\nform = '22:00'\nto = '06:00'", 2, "'away.schedule.0.form'; did you mean 'from'?"),
        ("[[away.schedule]]\nfrom = '25:00'\nto = '06:00'", 2, "away.schedule.0.from: "),
        ("[[away.schedule]]\nfrom = '22:00'\nto = '22:00'", 1, "away.schedule.0: from and to are both 22:00"),
        ("[away]\nschedule = [{ from = '1:00', to = '03:00' }]", 2, "away.schedule.0.from: "),
        ("[away]\n\nactions = ['lmp']\n" + MQTT, 3, "away.actions: there is no action 'lmp'; did you mean 'lamp'?"),
        ("[away]\nsources = ['mc']", 2, "away.sources: there is no source 'mc'; did you mean 'mic'?"),
        ("[claps]\nsources = 'mic'", 2, "claps.sources: must be an array, got 'mic'"),
        (
            "[claps.patterns.knock]\n\nactions = ['tv']\nclaps = 4",
            3,
            "claps.patterns.knock.actions: there is no action",
        ),
        ("[claps.patterns.sound]\nclaps = 3", 1, "claps.patterns.sound: the away mode uses this name"),
        ("[claps.patterns.knock]\nclaps = 3\nrhythm = [1]", 1, "claps.patterns.knock: has both claps and rhythm"),
        ("[claps.patterns.knock]\nrhythm = [1, -1]", 2, "claps.patterns.knock.rhythm.1: "),
        (COMMAND + 'command = ["a\\u0000b"]', 3, "actions.bell.command.0: must not hold a NUL"),
        (MQTT + "payload = 'x'\ntoggle = { state_topic = 'y' }", 1, "actions.lamp: has both a payload and a toggle"),
        ("[claps.patterns.knock]\nclaps = 2", 1, "is 2 claps as well; set enabled = false for one of them"),
        ("[claps.patterns.knock]\nrhythm = [1, 0.1]\ntempo_s = 0.3", 1, "a gap of 0.03 s is below min_gap_s"),
        (MQTT + "payload = 'x'\n[away]\nactions = ['lamp', 'lamp']", 6, "away.actions: names 'lamp' twice"),
        (
            "[mqtt]\nenabled = false\n" + MQTT + "payload = 'x'\n[away]\nactions = ['lamp']",
            8,
            "away.actions: 'lamp' needs the broker, but mqtt.enabled is false",
        ),
        ("[claps]\nmin_gap_s = 0.4\nmax_gap_s = 0.3", 1, "claps: min_gap_s (0.4) must be below max_gap_s (0.3)"),
    ],
)
def test_a_wrong_value_is_reported_with_its_line(file: Path, text: str, line: int, words: str) -> None:
    """The message has file, line, key, and the nearest key for a misspelt one."""
    assert_error_names_line(file, text, line, words)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("TOCSIN_ACTIONS__LAMP__TOPPIC", "x", "did you mean 'TOCSIN_ACTIONS__LAMP__TOPIC'?"),
        ("TOCSIN_ACTIONS__LAMP", "x", "is a section; set a value in it, such as TOCSIN_ACTIONS__LAMP__TYPE"),
        ("TOCSIN_ACTIONS", "lamp", "must be JSON, such as"),
        ("TOCSIN_AWAY__SCHEDULE", '[{"from": "22:00", "too": "06:00"}]', "'away.schedule.0.too'; did you mean 'to'?"),
        ("TOCSIN_AWAY__ACTIONS", '["lamp"]', "away.actions: there is no action 'lamp'; none is defined"),
    ],
)
def test_a_wrong_variable_is_reported_by_name(file: Path, name: str, value: str, words: str) -> None:
    """The message begins with the variable."""
    with pytest.raises(ConfigError) as caught:
        load_settings(None, environ={name: value})
    assert str(caught.value).startswith(f"{name}: ")
    assert words in str(caught.value)


def test_the_example_switches_lamp_and_television_and_runs_an_alarm(file: Path) -> None:
    """The example without its comment signs is a valid configuration."""
    file.write_text(re.sub(r"^# (?=\[|[a-z_]+ = )", "", make_example(), flags=re.MULTILINE))
    settings = load_settings(file, environ={})
    patterns = settings.claps.patterns
    started = [*patterns["double"].actions, *patterns["triple"].actions, *settings.away.actions]
    lamp, television, alarm = (settings.actions[name] for name in started)
    assert isinstance(lamp, MqttAction)
    assert lamp.toggle is not None
    assert isinstance(television, WebhookAction)
    assert isinstance(alarm, CommandAction)
    assert patterns["long-short-short"].rhythm == (1.0, 0.5, 0.5)
    assert len(settings.away.schedule) == len(settings.away.quiet_hours) == 1
