"""`devices`, `doctor` and `bench`."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from edge import cli
from edge.audio.sources import devices
from edge.audio.sources.devices import Microphone
from edge.audio.sources.identity import identify
from edge.cli import bench
from edge.cli.checks import sources
from edge.settings.tree import Settings
from tests.support.bundles import write_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Tocsin


def test_devices_without_portaudio_is_69(tocsin: Tocsin, tmp_path: Path) -> None:
    """Without PortAudio, the message names the package to install."""
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    answer = tocsin("devices", env={"PYTHONPATH": str(tmp_path)})
    assert answer.returncode == 69
    assert "apt install libportaudio2" in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_devices_as_json(tocsin: Tocsin) -> None:
    """The output is a list of records, empty without a microphone."""
    answer = tocsin("devices", "--json")
    assert answer.returncode == 0
    assert isinstance(json.loads(answer.stdout), list)


def test_doctor_with_nothing_attached(tocsin: Tocsin, tmp_path: Path, free_port: int) -> None:
    """No PortAudio, no broker, no ffmpeg: each is reported with a remedy, and the exit code is 1."""
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    env = {"PYTHONPATH": str(tmp_path), "PATH": str(tmp_path), "TOCSIN_MQTT__PORT": str(free_port)}
    answer = tocsin("doctor", env=env)
    assert answer.returncode == 1
    failed = {line.split()[1]: line for line in answer.stdout.splitlines() if line.startswith("fail")}
    assert "apt install libportaudio2" in failed["microphones"]
    assert "mqtt.enabled = false" in failed["broker"]
    assert "apt install ffmpeg" in answer.stdout


def test_doctor_where_all_is_well(tocsin: Tocsin, horn: Path, tmp_path: Path, free_port: int) -> None:
    """If everything configured is present, no check fails."""
    path = tmp_path / "tocsin.toml"
    path.write_text(
        f"[mqtt]\nenabled = false\n[api]\nport = {free_port}\n[[sources]]\nname = 'a'\nspec = 'file:{horn}'\n"
    )
    answer = tocsin("doctor", "--config", path, "--json")
    result = json.loads(answer.stdout)
    assert [check for check in result["checks"] if check["state"] == "fail"] == []
    assert (answer.returncode, result["ok"]) == (0, True)
    assert "golden recording reproduced" in next(c["found"] for c in result["checks"] if c["name"] == "model")


def test_doctor_reports_missing_parts(tocsin: Tocsin, tmp_path: Path) -> None:
    """A port in use, a missing recording, an impossible folder and a bad configuration are reported."""
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
    """Names match in any case and in part; several matches give a note."""
    names = ("Front Door (hw:97,0)", "Back (hw:96,0)", "USB Mic (hw:98,0)", "USB Mic (hw:98,1)")
    found = [Microphone(identify(name).stable_id, name, 1, 48_000, False, "ALSA") for name in names]
    monkeypatch.setattr(devices, "list_microphones", lambda: found)
    spec = f"mic:{device}" if device else "mic"
    check = sources.check_microphones(Settings.model_validate({"sources": [{"name": "a", "spec": spec}]}))
    assert (check.state, words in check.found) == (state, True)


def test_a_check_that_fails_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An internal error in one check is its result, and the other checks run."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: 1 // 0)
    assert cli.main(["doctor", "--json"]) == 1
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert "ZeroDivisionError" in checks["disk"]["found"]
    assert list(checks)[-3:] == ["disk", "port", "clock"]


def test_doctor_looks_at_the_clap_network_and_the_programs_of_actions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A broken clap bundle is reported despite its fallback, and so is each program that cannot start."""
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
    bad = f"plain: there is no program {tmp_path}/plain, gone: there is no program no-such-program"
    assert checks["actions"]["found"] == f"{bad}, nowhere: there is no folder /nowhere"
    path.write_text("[claps]\nenabled = false\n[actions.good]\ntype = 'command'\ncommand = ['true']\n")
    cli.main(["doctor", "--config", str(path), "--json"])
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert [checks[name]["state"] for name in ("claps", "actions")] == ["note", "ok"]


@pytest.mark.broker
def test_doctor_knocks_at_the_broker(tocsin: Tocsin, tmp_path: Path, free_port: int) -> None:
    """A broker that accepts the node is fine; one that refuses the password is reported with a remedy."""
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
    assert "mqtt.password_file" in states[1]["mend"]


def test_bench_measures(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Every figure is present and positive."""
    monkeypatch.setattr(bench, "_FIGURE_S", 0.05)
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
