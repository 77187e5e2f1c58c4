"""`config`, `model`, `devices`, `doctor` and `bench`."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING

import jsonschema
import pytest

from edge import cli
from edge.audio import devices
from edge.audio.devices import Microphone
from edge.audio.identity import identify
from edge.cli import bench
from edge.cli.checks import machine, sources
from edge.configfile import load_settings
from edge.settings import Settings
from tests.support.bundles import write_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Tocsin


def test_config_check(tocsin: Tocsin, tmp_path: Path) -> None:
    """A good file is called fine."""
    path = tmp_path / "tocsin.toml"
    path.write_text("[node]\nid = 'street-12'\n")
    assert tocsin("config", "check", "--config", path).stdout == f"{path}: fine\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[api]\nhost = '0.0.0.0'", "api.host 0.0.0.0 is reachable from outside: set api.token_file"),
        ("[api]\ntoken_file = '{folder}/absent'", "api.token_file: {folder}/absent: there is no such file"),
        ("[api]\ntoken_file = '{folder}/empty'", "api.token_file: no token in {folder}/empty"),
        ("[mqtt]\npassword_file = '{folder}/absent'", "mqtt.password_file: {folder}/absent: there is no such file"),
        ("[mqtt]\ntls = true\nca_file = '{folder}/empty'", "mqtt.ca_file: {folder}/empty: cannot be used"),
        ("[detection.classes.sirene]\non = 0.5", "the model has no such label; did you mean 'siren'?"),
        ("[detection.classes.siren]\non = 0.01", "detection.classes.siren: off ("),
        ("[model]\nbundle = '{folder}/absent'", "model.bundle: model bundle {folder}/absent: there is no such folder"),
        (
            "[model]\nbundle = '{folder}/broken'",
            "model bundle {folder}/broken: model.onnx is not the file",
        ),
        ("[model]\nbundle = 'ctiy'", "ctiy: there is no such folder"),
        ("[api]\ntoken = ' '", "api.token: must be of ASCII"),
        ("[api]\ntoken = 'schlüssel'", "api.token: must be of ASCII"),
        ("[api]\ntoken_file = '{folder}/wide'", "api.token_file: the token in {folder}/wide must be of ASCII"),
        ("[api]\ntoken_file = '{folder}'", "api.token_file: {folder}: cannot be read (Is a directory)"),
        ("[storage]\npath = '{folder}/empty/state'", "storage.path: {folder}/empty is no folder"),
    ],
)
def test_config_check_finds_what_run_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    """One line with the key and exit code 78, whatever it takes to see it."""
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


def test_config_check_passes_over_what_is_switched_off(tocsin: Tocsin, tmp_path: Path) -> None:
    """Neither the broker's files nor the web side's token matter where neither is wanted."""
    path = tmp_path / "tocsin.toml"
    path.write_text("[mqtt]\nenabled = false\npassword_file = '/absent'\n[api]\nenabled = false\nhost = '0.0.0.0'\n")
    assert tocsin("config", "check", "--config", path).returncode == 0


def test_config_check_says_all_that_is_wrong(tocsin: Tocsin, tmp_path: Path) -> None:
    """A line each: of the values together, and, once these are valid, of what they lead to."""
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
    """The file, and the variables that go before it."""
    path = tmp_path / "tocsin.toml"
    path.write_text("")
    env = {"TOCSIN_MQTT__HOST": "broker.example"}
    said = tocsin("config", "check", "--config", path, env=env).stdout
    assert said == f"{path}: fine, with TOCSIN_MQTT__HOST from the environment\n"
    said = tocsin("config", "check", env=env).stdout
    assert said.endswith("every value is its default, but for TOCSIN_MQTT__HOST from the environment\n")


def test_config_show_masks_secrets(tocsin: Tocsin, tmp_path: Path) -> None:
    """Effective values of file and environment, as TOML or JSON, without the password."""
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
    """The model's own, built in, or configured for the label or for all; as a table or a line of JSON a label."""
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


def test_config_schema_accepts_what_is_shown(tocsin: Tocsin) -> None:
    """The printed schema is one, and the defaults follow it."""
    schema = json.loads(tocsin("config", "schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(tocsin("config", "show", "--json").stdout), schema)


def test_config_example_is_a_configuration(tocsin: Tocsin, tmp_path: Path) -> None:
    """What it prints can be used as it is."""
    path = tmp_path / "tocsin.toml"
    path.write_text(tocsin("config", "example").stdout)
    assert load_settings(path, environ={}) == Settings()


def test_models_from_install_to_rollback(tocsin: Tocsin, tmp_path: Path) -> None:
    """A bundle is installed, activated, described, verified and put back."""
    source = write_bundle(tmp_path / "fresh", bundle_id="harbour", version="2.0")
    assert "installed harbour@2.0 in" in tocsin("model", "install", source).stdout
    assert "harbour@2.0 is there already" in tocsin("model", "install", source).stdout
    assert "harbour@2.0 is active" in tocsin("model", "activate", "harbour").stdout
    entries = json.loads(tocsin("model", "list", "--json").stdout)
    assert [(e["id"], e["active"]) for e in entries] == [
        ("harbour", True),
        *((shipped, False) for shipped in ("city", "claps", "nano")),
    ]
    assert "* " in tocsin("model", "list").stdout.splitlines()[1]
    assert "weights written by hand" in tocsin("model", "info").stdout
    assert json.loads(tocsin("model", "info", "city", "--json").stdout)["id"] == "city"
    assert tocsin("model", "verify").stdout.count("fine") == 4
    assert "back to city" in tocsin("model", "rollback").stdout


def test_an_activated_bundle_that_the_configuration_overrides(tocsin: Tocsin, tmp_path: Path) -> None:
    """The user is told that the configuration goes before."""
    tocsin("model", "install", write_bundle(tmp_path / "fresh", bundle_id="harbour", version="2.0"))
    entries = json.loads(tocsin("model", "list", "--json").stdout)
    shipped = next(entry["path"] for entry in entries if entry["id"] == "city")
    answer = tocsin("model", "activate", "harbour", env={"TOCSIN_MODEL__BUNDLE": shipped})
    assert answer.returncode == 0
    assert "goes before" in answer.stderr


def test_bad_bundles_are_said_in_a_line(tocsin: Tocsin, tmp_path: Path) -> None:
    """A wrong sum, an unknown id and a missing path each have their exit code."""
    broken = write_bundle(tmp_path / "broken")
    (broken / "golden.npz").write_bytes(b"short")
    rubbish = tmp_path / "rubbish.zip"
    rubbish.write_bytes(b"PK" + bytes(range(256)))
    for arguments, code in (
        (("model", "install", broken), 65),
        (("model", "install", rubbish), 65),
        (("model", "activate", "claps"), 65),
        (("model", "verify", broken), 78),
        (("model", "activate", "nowhere"), 66),
        (("model", "install", tmp_path / "absent"), 66),
        (("model", "rollback"), 66),
    ):
        answer = tocsin(*arguments)
        assert answer.returncode == code
        assert answer.stderr.startswith("tocsin: ")
        assert answer.stderr.count("\n") == 1


def test_installing_over_a_damaged_bundle_mends_it(tocsin: Tocsin, tmp_path: Path) -> None:
    """What was damaged on the disk is put right, and said."""
    source = write_bundle(tmp_path / "fresh", bundle_id="harbour", version="2.0")
    tocsin("model", "install", source)
    (tmp_path / "state" / "tocsin" / "models" / "harbour@2.0" / "model.onnx").write_bytes(b"short")
    assert tocsin("model", "verify", "harbour").returncode == 78
    assert "installed harbour@2.0 anew" in tocsin("model", "install", source).stdout
    assert tocsin("model", "verify", "harbour").returncode == 0


def test_classify_falls_back_from_a_bad_bundle(tocsin: Tocsin, horn: Path, tmp_path: Path) -> None:
    """The bundle in the configuration is broken: it is said, and the shipped one answers, as far as it can."""
    broken = write_bundle(tmp_path / "broken")
    (broken / "model.onnx").write_bytes(b"short")
    env = {"TOCSIN_MODEL__BUNDLE": str(broken), "TOCSIN_DETECTION__CLASSES__HORN__OFF": "0.97"}
    answer = tocsin("classify", "--json", horn, env=env)
    assert json.loads(answer.stdout)["model"]["id"] == "city"
    assert "model.onnx is not the file that was exported" in answer.stderr
    assert "using model city" in answer.stderr


def test_devices_without_portaudio_is_69(tocsin: Tocsin, tmp_path: Path) -> None:
    """Where the library is missing, the line says which package brings it."""
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    answer = tocsin("devices", env={"PYTHONPATH": str(tmp_path)})
    assert answer.returncode == 69
    assert "apt install libportaudio2" in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_devices_as_json(tocsin: Tocsin) -> None:
    """A list of records, also where there is no microphone."""
    answer = tocsin("devices", "--json")
    assert answer.returncode == 0
    assert isinstance(json.loads(answer.stdout), list)


def test_doctor_with_nothing_attached(tocsin: Tocsin, tmp_path: Path, free_port: int) -> None:
    """No PortAudio, no broker, no ffmpeg: each is named with its mend, and the exit code is 1."""
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    env = {"PYTHONPATH": str(tmp_path), "PATH": str(tmp_path), "TOCSIN_MQTT__PORT": str(free_port)}
    answer = tocsin("doctor", env=env)
    assert answer.returncode == 1
    failed = {line.split()[1]: line for line in answer.stdout.splitlines() if line.startswith("fail")}
    assert "apt install libportaudio2" in failed["microphones"]
    assert "mqtt.enabled = false" in failed["broker"]
    assert "apt install ffmpeg" in answer.stdout


def test_doctor_where_all_is_well(tocsin: Tocsin, horn: Path, tmp_path: Path, free_port: int) -> None:
    """With what is configured in place nothing fails, and the JSON says so."""
    path = tmp_path / "tocsin.toml"
    path.write_text(
        f"[mqtt]\nenabled = false\n[api]\nport = {free_port}\n[[sources]]\nname = 'a'\nspec = 'file:{horn}'\n"
    )
    answer = tocsin("doctor", "--config", path, "--json")
    result = json.loads(answer.stdout)
    assert [check for check in result["checks"] if check["state"] == "fail"] == []
    assert (answer.returncode, result["ok"]) == (0, True)
    assert "golden recording reproduced" in next(c["found"] for c in result["checks"] if c["name"] == "model")


def test_doctor_names_what_is_configured_and_missing(tocsin: Tocsin, tmp_path: Path) -> None:
    """A port in use, a missing recording, a folder that cannot be made and a bad file are all found."""
    (tmp_path / "blocked").write_text("a file where a folder should be")
    path = tmp_path / "tocsin.toml"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        path.write_text(
            f"[mqtt]\nenabled = false\n[api]\nport = {taken.getsockname()[1]}\n"
            f"[storage]\npath = '{tmp_path}/blocked/state'\n[[sources]]\nspec = 'file:/nowhere.wav'\n"
        )
        checks = json.loads(tocsin("doctor", "--config", path, "--json").stdout)["checks"]
    failed = {check["name"]: check for check in checks if check["state"] == "fail"}
    assert set(failed) == {"files", "port", "state folder"}
    assert all(check["mend"] for check in failed.values())
    path.write_text("[mqtt]\nhots = 1")
    answer = tocsin("doctor", "--config", path)
    assert answer.returncode == 1
    assert "did you mean 'host'" in answer.stdout


@pytest.mark.parametrize(
    ("device", "state", "words"),
    [
        ("FRONT DOOR", "ok", "Front Door"),
        ("door", "ok", "Front Door"),
        ("Back", "ok", "Front Door"),
        ("usb", "note", "mic:usb matches 2 microphones, USB Mic, USB Mic 1; the first is used"),
        ("usb:1-1.2", "fail", "not there: usb:1-1.2"),
        (None, "fail", "no default one"),
    ],
)
def test_doctor_takes_a_microphone_as_run_does(
    device: str | None, state: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any case, part of a name, and a word where two match alike."""
    names = ("Front Door (hw:97,0)", "Back (hw:96,0)", "USB Mic (hw:98,0)", "USB Mic (hw:98,1)")
    found = [Microphone(identify(name).stable_id, name, 1, 48_000, False, "ALSA") for name in names]
    monkeypatch.setattr(devices, "list_microphones", lambda: found)
    spec = f"mic:{device}" if device else "mic"
    check = sources.microphones(Settings.model_validate({"sources": [{"name": "a", "spec": spec}]}))
    assert (check.state, words in check.found) == (state, True)


def test_a_check_that_fails_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever it meets, it is said in its line."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda folder: 1 // 0)
    assert cli.main(["doctor", "--json"]) == 1
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert "ZeroDivisionError" in checks["disk"]["found"]
    assert list(checks)[-3:] == ["disk", "port", "clock"]


def test_doctor_looks_at_the_clap_network_and_the_programs_of_actions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A broken clap bundle is named although another takes its place, and so is each program that cannot start."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (write_bundle(tmp_path / "broken") / "model.onnx").write_bytes(b"short")
    (tmp_path / "plain").write_text("no program")
    (tmp_path / "lamp").write_text("#!/bin/sh\n")
    (tmp_path / "lamp").chmod(0o755)
    commands = {
        "good": "command = ['true']",
        "near": f"command = ['./lamp', '$event']\nworking_dir = '{tmp_path}'",
        "plain": f"command = ['{tmp_path}/plain']",
        "gone": "command = ['no-such-program']",
        "nowhere": "command = ['true']\nworking_dir = '/nowhere'",
    }
    text = "".join(f"[actions.{name}]\ntype = 'command'\n{lines}\n" for name, lines in commands.items())
    path = tmp_path / "tocsin.toml"
    path.write_text(f"[claps]\nbundle = '{tmp_path}/broken'\n{text}")
    cli.main(["doctor", "--config", str(path), "--json"])
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert f"{tmp_path}/broken cannot be used; running claps@" in checks["claps"]["found"]
    bad = f"plain: {tmp_path}/plain is no program, gone: no-such-program is no program"
    assert checks["actions"]["found"] == f"{bad}, nowhere: there is no folder /nowhere"
    path.write_text("[claps]\nenabled = false\n[actions.good]\ntype = 'command'\ncommand = ['true']\n")
    cli.main(["doctor", "--config", str(path), "--json"])
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert [checks[name]["state"] for name in ("claps", "actions")] == ["note", "ok"]


@pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto (apt install mosquitto)")
def test_doctor_knocks_at_the_broker(tocsin: Tocsin, tmp_path: Path, free_port: int) -> None:
    """A broker that lets us in is fine, one that does not like the password is named with the mend."""
    passwords = tmp_path / "passwd"
    subprocess.run(["mosquitto_passwd", "-c", "-b", passwords, "node", "sesame"], check=True, capture_output=True)
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {free_port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\nuser root\n")
    env = {"TOCSIN_MQTT__PORT": str(free_port), "TOCSIN_MQTT__USERNAME": "node"}
    with subprocess.Popen(["mosquitto", "-c", str(config), "-v"], stderr=subprocess.PIPE, text=True) as broker:
        try:
            assert broker.stderr
            assert any("running" in line for line in broker.stderr), "mosquitto did not start"
            states = []
            for password in ("sesame", "open"):
                answer = tocsin("doctor", "--json", env={**env, "TOCSIN_MQTT__PASSWORD": password})
                states.append(next(c for c in json.loads(answer.stdout)["checks"] if c["name"] == "broker"))
        finally:
            broker.terminate()
    assert [check["state"] for check in states] == ["ok", "fail"]
    assert "mqtt.password_file" in states[1]["found"]


def test_bench_measures(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Every figure is there and positive."""
    monkeypatch.setattr(bench, "_SPEND_S", 0.05)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert cli.main(["bench", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert [row["batch"] for row in figures["inference"]] == [1, 8, 32, 64]
    assert all(row["ms_per_window"] > 0 and row["windows_per_s"] > 0 for row in figures["inference"])
    a_second = ("ms_per_audio_second", "ms_per_clip_second", "frontend_ms_per_s")
    assert all(figures[name] > 0 for name in (*a_second, "realtime_factor", "rss_mb", "load_s"))
    assert figures["network"] in ("window", "streaming")
    assert cli.main(["bench"]) == 0
    assert "times real time" in capsys.readouterr().out
