"""`config`: check, values, origins, schema and example."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import jsonschema
import pytest

from edge import cli
from edge.settings.load import load_settings
from edge.settings.tree import Settings
from tests.support.bundles import write_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Tocsin


def test_config_check(tocsin: Tocsin, tmp_path: Path) -> None:
    """A valid file is reported as fine."""
    path = tmp_path / "tocsin.toml"
    path.write_text("[node]\nid = 'street-12'\n")
    assert tocsin("config", "check", "--config", path).stdout == f"{path}: fine\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[api]\nhost = '0.0.0.0'", "api.host: 0.0.0.0 is reachable from outside; set api.token_file"),
        ("[api]\ntoken_file = '{folder}/absent'", "api.token_file: {folder}/absent: there is no such file"),
        ("[api]\ntoken_file = '{folder}/empty'", "api.token_file: there is no token in {folder}/empty"),
        ("[mqtt]\npassword_file = '{folder}/absent'", "mqtt.password_file: {folder}/absent: there is no such file"),
        ("[mqtt]\ntls = true\nca_file = '{folder}/empty'", "mqtt.ca_file: {folder}/empty: the file cannot be used"),
        ("[detection.classes.sirene]\non = 0.5", "the model has no such label; did you mean 'siren'?"),
        ("[detection.classes.siren]\non = 0.01", "detection.classes.siren: off ("),
        ("[model]\nbundle = '{folder}/absent'", "model.bundle: model bundle {folder}/absent: there is no such folder"),
        (
            "[model]\nbundle = '{folder}/broken'",
            "model bundle {folder}/broken: model.onnx differs from the exported file",
        ),
        ("[model]\nbundle = 'ctiy'", "ctiy: there is no such folder"),
        ("[api]\ntoken = ' '", "api.token: the token holds characters"),
        ("[api]\ntoken = 'schlüssel'", "api.token: the token holds characters"),
        ("[api]\ntoken_file = '{folder}/wide'", "api.token_file: {folder}/wide: the token holds characters"),
        ("[api]\ntoken_file = '{folder}'", "api.token_file: {folder}: it cannot be read: Is a directory"),
        ("[storage]\npath = '{folder}/empty/state'", "storage.path: {folder}/empty is not a folder"),
    ],
)
def test_config_check_finds_every_reason_why_run_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    """Every problem gives one line with the key, and exit code 78."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "empty").touch()
    (tmp_path / "wide").write_text("schlüssel")
    (write_bundle(tmp_path / "broken") / "model.onnx").write_bytes(b"short")
    path = tmp_path / "tocsin.toml"
    path.write_text(text.format(folder=tmp_path))
    assert cli.main(["config", "check", "--config", str(path)]) == 78
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert words.format(folder=tmp_path) in said.err


def test_config_check_skips_disabled_parts(tocsin: Tocsin, tmp_path: Path) -> None:
    """The broker's files and the API's token are not checked if both are disabled."""
    path = tmp_path / "tocsin.toml"
    path.write_text("[mqtt]\nenabled = false\npassword_file = '/absent'\n[api]\nenabled = false\nhost = '0.0.0.0'\n")
    assert tocsin("config", "check", "--config", path).returncode == 0


def test_config_check_reports_every_problem(tocsin: Tocsin, tmp_path: Path) -> None:
    """Every invalid value has a line, and, if all are valid, every problem of files and model."""
    path = tmp_path / "tocsin.toml"
    path.write_text("[mqtt]\nport = 0\nhots = 'a'\n[api]\nport = -1\n")
    answer = tocsin("config", "check", "--config", path)
    assert answer.returncode == 78
    assert [line.split(": ")[1] for line in answer.stderr.splitlines()] == [f"{path}:{n}" for n in (3, 2, 5)]
    path.write_text("[model]\nbundle = '/absent'\n[mqtt]\npassword_file = '/absent'\n[api]\nhost = '0.0.0.0'\n")
    answer = tocsin("config", "check", "--config", path)
    assert answer.returncode == 78
    assert [line.split()[1].rstrip(":") for line in answer.stderr.splitlines()] == [
        "model.bundle",
        "mqtt.password_file",
        "api.host",
    ]


def test_config_check_says_where_values_come_from(tocsin: Tocsin, tmp_path: Path) -> None:
    """The file and the overriding variables are named."""
    path = tmp_path / "tocsin.toml"
    path.write_text("")
    env = {"TOCSIN_MQTT__HOST": "broker.example"}
    said = tocsin("config", "check", "--config", path, env=env).stdout
    assert said == f"{path}: fine, with TOCSIN_MQTT__HOST from the environment\n"
    said = tocsin("config", "check", env=env).stdout
    assert said.endswith("every value is its default, but for TOCSIN_MQTT__HOST from the environment\n")


def test_config_show_masks_secrets(tocsin: Tocsin, tmp_path: Path) -> None:
    """Effective values are printed as TOML or JSON, without the password."""
    path = tmp_path / "tocsin.toml"
    path.write_text("[mqtt]\npassword = 'sesame'\n")
    env = {"TOCSIN_MQTT__HOST": "broker.example"}
    text = tocsin("config", "show", "--config", path, env=env).stdout
    assert "sesame" not in text
    assert 'host = "broker.example"' in text
    values = json.loads(tocsin("config", "show", "--config", path, "--json", env=env).stdout)
    assert values["mqtt"]["host"] == "broker.example"
    assert "sesame" not in json.dumps(values)


def test_config_show_rules_says_where_each_value_comes_from(tocsin: Tocsin, tmp_path: Path) -> None:
    """Each value has its origin (model, built-in or configuration), as a table and as JSON."""
    path = tmp_path / "tocsin.toml"
    path.write_text("[detection]\nhold_s = 2\n[detection.classes.horn]\non = 0.9\n[detection.classes.dog]\n")
    lines = tocsin("config", "show", "--rules", "--json", "--config", path).stdout.splitlines()
    rules = {rule["label"]: rule for rule in map(json.loads, lines)}
    assert rules["horn"]["on"] == {"value": 0.9, "from": "configuration"}
    assert rules["siren"]["on"]["from"] == "bundle"
    assert rules["siren"]["hold_s"] == {"value": 2.0, "from": "configuration"}
    assert rules["gunshot"]["severity"] == {"value": "critical", "from": "built-in"}
    assert [rules[label]["alert"] for label in ("dog", "siren", "music")] == [
        {"value": True, "from": "configuration"},
        {"value": True, "from": "built-in"},
        {"value": False, "from": "built-in"},
    ]
    head, *rows = tocsin("config", "show", "--rules", "--config", path).stdout.splitlines()
    assert head.split()[:4] == ["label", "alert", "on", "off"]
    (horn,) = [row.split() for row in rows if row.startswith("horn")]
    assert horn[:3] == ["horn", "yes*", "0.9*"]
    assert horn[3].endswith("+")
    assert rows[-1].startswith("+ of the model city ")


def test_config_schema_accepts_the_defaults(tocsin: Tocsin) -> None:
    """The schema is valid, and the defaults follow it."""
    schema = json.loads(tocsin("config", "schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(tocsin("config", "show", "--json").stdout), schema)


def test_config_example_is_a_configuration(tocsin: Tocsin, tmp_path: Path) -> None:
    """The example is a valid configuration with the defaults."""
    path = tmp_path / "tocsin.toml"
    path.write_text(tocsin("config", "example").stdout)
    assert load_settings(path, environ={}) == Settings()
