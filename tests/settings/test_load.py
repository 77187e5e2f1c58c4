"""The configuration: file, environment, secrets, and one line per problem."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from edge.errors import ConfigError
from edge.settings import load as configfile
from edge.settings.load import find_state_dir, load_settings
from edge.settings.schema import make_json_schema
from edge.settings.secrets import mask_settings, read_secret
from edge.settings.text import format_toml, read_toml
from edge.settings.tree import Settings
from tests.support.configs import assert_error_names_line

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tocsin.toml"


@pytest.fixture(autouse=True)
def _no_system_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configfile, "DEFAULT_PATH", tmp_path / "absent.toml")


def test_an_empty_file_is_every_default(file: Path) -> None:
    """Every value has a default."""
    file.write_text("")
    assert load_settings(file, environ={}) == load_settings(None, environ={}) == Settings()


def test_the_system_file_is_read_where_there_is_one(tmp_path: Path) -> None:
    """Without --config, the file below /etc is read."""
    (tmp_path / "absent.toml").write_text("[node]\nid = 'street-12'")
    assert load_settings(None, environ={}).node.id == "street-12"


def test_the_environment_goes_before_the_file(file: Path) -> None:
    """A variable overrides one value and no other."""
    file.write_text("[mqtt]\nhost = 'a'\nport = 1\n[detection.classes.siren]\non = 0.5\n")
    environ = {
        "TOCSIN_MQTT__PORT": "2",
        "TOCSIN_DETECTION__CLASSES__SIREN__OFF": "0.25",
        "TOCSIN_API__ENABLED": "false",
        "TOCSIN_MQTT__PASSWORD": "0123",
        "TOCSIN_SOURCES": '[{"name": "door", "spec": "udp://:5005"}]',
        "TOCSIN_DATA": "/recordings",
        "PATH": "/bin",
    }
    settings = load_settings(file, environ=environ)
    assert (settings.mqtt.host, settings.mqtt.port, settings.api.enabled) == ("a", 2, False)
    assert settings.mqtt.password == SecretStr("0123")
    assert (settings.detection.classes["siren"].on, settings.detection.classes["siren"].off) == (0.5, 0.25)
    assert [source.name for source in settings.sources] == ["door"]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[detection.classes.siren]\nonn = 0.5", 2, "unknown key 'detection.classes.siren.onn'; did you mean 'on'?"),
        ("\n[mqt]\nport = 1", 2, "unknown key 'mqt'; did you mean 'mqtt'?"),
        ("mqtt.prot = 1", 1, "unknown key 'mqtt.prot'; did you mean 'port'?"),
        ("[node]\nzzz = 1", 2, "known are id, location"),
        ("[mqtt]\n\nport = 99999", 3, "mqtt.port: input should be less than or equal to 65535, got 99999"),
        ("[mqtt]\nport = 'x'", 2, "mqtt.port: input should be a valid integer"),
        ("mqtt = 3", 1, "mqtt: must be a table, got 3"),
        ("[detection]\nclasses = 'all'", 2, "detection.classes: must be a table, got 'all'"),
        ("[sources]\nspec = 'mic'", 1, "sources: must be an array of tables"),
        ("[mqtt]\npassword = 3", 2, "mqtt.password: input should be a valid string"),
        ("[[sources]]\nname = 'a'\n\n[[sources]]\nname = 'B C'", 5, "sources.1.name"),
        ("[[sources]]\nspec = 'mic'\n[[sources]]\nspec = 'file:a'", 3, "two sources are called mic"),
        ("[[sources]]\nname = 'a'\n[[sources]]\n\nname = 'a'", 5, "two sources are called a; give each"),
        (
            "[[sources]]\nspec = 'pcm:-'\n[[sources]]\nname = 'b'\nspec = 'pcm:-?rate=8000'",
            5,
            "sources.1.spec: another source reads standard input already; change one",
        ),
        (
            "[[sources]]\nspec = 'udp://10.0.0.1:5005'\n[[sources]]\nname = 'b'\nspec = 'udp://:5005'",
            5,
            "sources.1.spec: another source listens on UDP port 5005 already",
        ),
        ("[[sources]]\nspec = 'tape:1'", 2, "sources.0.spec: source 'tape:1'"),
        ("[detection]\non = 0.2\noff = 0.4", 1, "off (0.4) must not be above on (0.2)"),
        ("[mqtt\nport = 1", 1, "not valid TOML"),
        ("[mqtt]\nport = 1\nport = 2", 3, "not valid TOML"),
        ('[mqtt]\nhost = "', 2, "not valid TOML"),
    ],
)
def test_a_wrong_file_is_reported_with_its_line(file: Path, text: str, line: int, words: str) -> None:
    """The message is one line with file, line number, key and the expected value."""
    assert_error_names_line(file, text, line, words)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("TOCSIN_MQTT__HOTS", "x", "did you mean 'TOCSIN_MQTT__HOST'?"),
        ("TOCSIN_MQTT_PORT", "1", "no such setting"),
        ("TOCSIN_MQTT__PORT", "x", "mqtt.port: input should be a valid integer"),
        ("TOCSIN_HOMEASSISTANT__PREFIX", '"ha"', "homeassistant.prefix: must not have quotes around it"),
        ("TOCSIN_MQTT", "x", "TOCSIN_MQTT__ENABLED"),
        ("TOCSIN_SOURCES", "mic", "must be JSON"),
        ("TOCSIN_SOURCES", '[{"spec": "tape:1"}]', "sources.0.spec"),
        ("TOCSIN_DETECTION__CLASSES__SIREN__ONN", "1", "did you mean 'TOCSIN_DETECTION__CLASSES__SIREN__ON'?"),
    ],
)
def test_a_wrong_variable_is_reported_by_name(name: str, value: str, words: str) -> None:
    """The message begins with the variable and suggests a name."""
    with pytest.raises(ConfigError) as caught:
        load_settings(None, environ={name: value})
    assert str(caught.value).startswith(f"{name}: ")
    assert words in str(caught.value)


def test_a_value_where_the_environment_wants_a_section(file: Path) -> None:
    """A contradiction between file and environment is a `ConfigError`."""
    file.write_text("mqtt = 3")
    with pytest.raises(ConfigError, match="TOCSIN_MQTT__PORT"):
        load_settings(file, environ={"TOCSIN_MQTT__PORT": "1"})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("TOCSIN_SOURCES__0__SPEC", "mic", "sources: must be an array of tables"),
        ("TOCSIN_DETECTION__CLASSES__SIREN__ON__X", "1", "detection.classes.siren.on: input should be"),
        ("TOCSIN_ACTIONS__A__TYPE", "webhook", "actions.a.url: field required"),
        ("TOCSIN_CLAPS__PATTERNS__DOUBLE__CLAPS", "3", "claps.patterns.triple: double is 3 claps as well"),
        ("TOCSIN_STORAGE__PATH", "", "storage.path: must not be empty"),
    ],
)
def test_a_variable_that_creates_a_table_is_named_in_its_errors(file: Path, name: str, value: str, words: str) -> None:
    """The variable is named even if the file has tables of the same section."""
    file.write_text("[node]\n[mqtt]\nport = 1\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(file, environ={name: value})
    assert str(caught.value).startswith(f"{name}: {words}")


def test_a_duplicate_in_the_environment_names_the_variable(file: Path) -> None:
    """The variable is named even if the file has sources, which it replaces."""
    file.write_text("[[sources]]\nname = 'x'\n[[sources]]\nname = 'y'\n")
    with pytest.raises(ConfigError, match=r"^TOCSIN_SOURCES: sources: two sources are called a"):
        load_settings(file, environ={"TOCSIN_SOURCES": '[{"name": "a"}, {"name": "a"}]'})


def test_sources_that_only_look_alike(file: Path) -> None:
    """Disabled sources, and equal ports at different addresses, do not clash."""
    sources = [
        {"name": "a", "spec": "pcm:-"},
        {"name": "b", "spec": "pcm:-", "enabled": False},
        {"name": "c", "spec": "udp://10.0.0.1:5005"},
        {"name": "d", "spec": "udp://10.0.0.2:5005"},
        {"name": "e", "spec": "udp://:5006"},
    ]
    file.write_text(format_toml({"sources": sources}))
    assert len(load_settings(file, environ={}).sources) == len(sources)


def test_a_byte_order_mark_is_no_part_of_the_text(file: Path) -> None:
    """Some editors write a byte order mark at the start of a file."""
    file.write_text("[node]\nid = 'street-12'\n", encoding="utf-8-sig")
    assert load_settings(file, environ={}).node.id == "street-12"


def test_every_problem_is_kept(file: Path) -> None:
    """The message is the first problem and the number of others; unknown keys come first."""
    file.write_text("[mqtt]\nport = 0\nhots = 'a'\n[api]\nport = -1\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(file, environ={"TOCSIN_NODE__IDD": "x"})
    places = [problem.partition(": ")[0] for problem in caught.value.problems]
    assert places == ["TOCSIN_NODE__IDD", f"{file}:3", f"{file}:2", f"{file}:5"]
    assert str(caught.value) == f"{caught.value.problems[0]} (and 3 more: see 'tocsin config check')"


def test_every_wrong_source_is_kept(file: Path) -> None:
    """Clashing sources and invalid ones are all reported."""
    specs = ["tape:1", "pcm:-", "pcm:-", "disc:2"]
    file.write_text("".join(f"[[sources]]\nname = 's{n}'\nspec = '{spec}'\n" for n, spec in enumerate(specs)))
    with pytest.raises(ConfigError) as caught:
        load_settings(file, environ={})
    assert [problem.split(": ")[1] for problem in caught.value.problems] == [f"sources.{n}.spec" for n in (0, 2, 3)]


@pytest.mark.parametrize(
    ("name", "value"),
    [("TOCSIN_NODE__LOCATION", "\udcff"), ("TOCSIN_NODE__\udcff", "a"), ("TOCSIN_SOURCES", "[" * 5000)],
)
def test_a_variable_of_bytes_or_brackets_without_end(name: str, value: str) -> None:
    """The message is one printable line with the name of the variable."""
    with pytest.raises(ConfigError) as caught:
        load_settings(None, environ={name: value})
    assert str(caught.value).isprintable()
    assert str(caught.value).startswith("TOCSIN_")


def test_line_ends_of_every_kind_keep_the_lines(file: Path) -> None:
    """Windows line ends count once, and Unicode line separators do not count."""
    file.write_bytes("[node]\r\nlocation = 'a\u2028b'\r\n[mqtt]\r\nport = 0\r\n".encode())
    with pytest.raises(ConfigError, match=rf"^{file}:4: mqtt.port"):
        load_settings(file, environ={})


def test_a_secret_comes_from_value_file_or_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are tried in that order; without all three there is no secret."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_secret(None, None, "mqtt_password") is None
    (tmp_path / "mqtt_password").write_text("credential\n")
    (tmp_path / "file").write_text("file\nsecond line\n")
    assert read_secret(None, None, "mqtt_password") == "credential"
    assert read_secret(None, tmp_path / "file", "mqtt_password") == "file"
    assert read_secret(SecretStr("value"), tmp_path / "file", "mqtt_password") == "value"
    for credential, key in (("mqtt_password", "mqtt.password_file"), ("api_token", "api.token_file")):
        with pytest.raises(ConfigError) as caught:
            read_secret(None, tmp_path / "absent", credential)
        assert str(caught.value) == f"{key}: {tmp_path}/absent: there is no such file"


def test_masked_values_hold_no_secret(file: Path) -> None:
    """Passwords, tokens and the users in addresses are masked; the rest stays."""
    file.write_text(
        "[mqtt]\npassword = 'sesame1'\n[api]\ntoken = 'sesame2'\n[[sources]]\nspec = 'rtsp://bob:sesame3@camera/1'\n"
    )
    text = json.dumps(mask_settings(load_settings(file, environ={})))
    assert "sesame" not in text
    assert "camera/1" in text


def test_effective_values_as_toml_read_back_the_same(file: Path) -> None:
    """The output of `config show` is an equal configuration."""
    file.write_text(
        "[detection.classes.horn]\non = 0.9\n[[sources]]\nname = 'a'\n[[sources]]\nname = 'b'\nenabled = false\n"
    )
    settings = load_settings(file, environ={})
    file.write_text(format_toml(mask_settings(settings)))
    assert load_settings(file, environ={}) == settings


@given(st.text(max_size=40))
def test_any_text_survives_as_toml(text: str) -> None:
    """Quotes, line ends and letters of any script are escaped as TOML requires."""
    values = {"node": {"location": text}, "classes": {text: {"on": 0.5}}}
    assert read_toml(format_toml(values)) == values


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"STATE_DIRECTORY": "/var/lib/tocsin:/other", "HOME": "/h"}, "/var/lib/tocsin"),
        ({"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/tocsin"),
        ({"HOME": "/h"}, "/h/.local/state/tocsin"),
    ],
)
def test_state_folder(environ: dict[str, str], expected: str) -> None:
    """The folder is systemd's, else the user's."""
    assert str(find_state_dir(Settings(), environ=environ)) == expected


def test_state_folder_as_configured(tmp_path: Path) -> None:
    """storage.path takes precedence."""
    settings = load_settings(None, environ={"TOCSIN_STORAGE__PATH": str(tmp_path)})
    assert find_state_dir(settings, environ={"STATE_DIRECTORY": "/var/lib/tocsin"}) == tmp_path


def test_schema_describes_every_section() -> None:
    """The JSON Schema has each section and refuses unknown keys."""
    schema = make_json_schema()
    assert set(schema["properties"]) == set(Settings.model_fields)
    assert schema["additionalProperties"] is False
