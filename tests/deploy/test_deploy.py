"""Files for deployment."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge.detection.rules import make_rules
from edge.errors import ConfigError
from edge.inference.bundle import read_bundle
from edge.node.node import STOP_S
from edge.settings.example import make_example
from edge.settings.load import load_settings
from edge.settings.tree import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paho.mqtt.reasoncodes import ReasonCode

DEPLOY = Path(__file__).parents[2] / "deploy"
MODELS = DEPLOY.parent / "edge" / "models"
UNIT = DEPLOY / "tocsin.service"
EXPOSURE_MAX = 2.0
GPU_TASKS = 128


@pytest.fixture
def unit() -> configparser.RawConfigParser:
    """Return the parsed unit."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read(UNIT)
    return parser


def test_example_configuration_is_the_generated_one() -> None:
    """deploy/tocsin.toml is what `tocsin config example` prints."""
    assert (DEPLOY / "tocsin.toml").read_text(encoding="utf-8").rstrip() == make_example().rstrip()


def test_example_configuration_is_valid_and_says_the_defaults() -> None:
    """As shipped, with all lines commented out, it equals the defaults."""
    assert load_settings(DEPLOY / "tocsin.toml", environ={}) == Settings()


def uncommented(lines: list[str], *numbers: int) -> str:
    """Return the example with some of its lines uncommented."""
    return "\n".join(line.removeprefix("# ") if n in numbers else line for n, line in enumerate(lines))


def test_every_line_of_the_example_can_be_uncommented(tmp_path: Path) -> None:
    """Each commented setting is valid, and every setting has its line."""
    text = make_example()
    live = re.sub(r"^# (?=\[|[a-z_]+ = )", "", text, flags=re.MULTILINE)
    (tmp_path / "all.toml").write_text(live, encoding="utf-8")
    settings = load_settings(tmp_path / "all.toml", environ={})
    unset = list(_unset(settings.model_dump(exclude={"claps": {"patterns"}})))
    assert all(f"\n#   {name.rpartition('.')[2]}: " in text for name in unset)
    assert {name.partition(".")[0] for name in unset} == {"detection"}
    assert rules_of(settings) == rules_of(Settings())


def test_uncommenting_a_line_of_the_example_changes_nothing(tmp_path: Path) -> None:
    """Alone, below the header of its table, it changes no label's rule, and nothing else unless its comment says so."""
    lines = make_example().splitlines()
    file, head, live, tried = tmp_path / "one.toml", 0, True, 0
    for n, line in enumerate(lines):
        if re.match(r"(# )?\[", line):
            head, live = n, not line.startswith("#")
        own_table = live or "detection.classes" in lines[head]
        if not re.match(r"# [a-z_]+ = ", line) or not own_table:
            continue
        file.write_text(uncommented(lines, head, n), encoding="utf-8")
        is_example = "  # for example; " in line
        try:
            settings = load_settings(file, environ={})
        except ConfigError:
            assert is_example, line  # such as the name of an action that is another example
            continue
        assert rules_of(settings) == rules_of(Settings()), line
        assert is_example or not live or settings == Settings(), line
        tried += 1
    assert tried > len(Settings.model_fields)


def rules_of(settings: Settings) -> object:
    """Return the rules of the default model with the settings."""
    bundle = read_bundle(MODELS / "city")
    return make_rules(bundle.labels, bundle.thresholds, settings.detection)


def _unset(values: dict[str, object], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        if value is None:
            yield prefix + name
        elif isinstance(value, dict):
            yield from _unset(value, f"{prefix}{name}.")


def test_unit_speaks_the_protocol_of_the_service(unit: configparser.RawConfigParser) -> None:
    """It waits for READY, has a watchdog, reloads by SIGHUP and may keep state and open sound devices."""
    service = unit["Service"]
    assert service["Type"] == "notify"
    assert service["WatchdogSec"].endswith("s")
    assert "-HUP" in service["ExecReload"]
    assert service["StateDirectory"] == "tocsin"
    assert "audio" in service["SupplementaryGroups"]
    assert service["DeviceAllow"] == "char-alsa rw"
    assert service["ExecStart"].split()[1:] == ["run", "--config", "/etc/tocsin/tocsin.toml"]


def test_unit_waits_longer_for_a_stop_than_one_takes(unit: configparser.RawConfigParser) -> None:
    """Otherwise it would kill the node before the history is written."""
    assert float(unit["Service"]["TimeoutStopSec"].removesuffix("s")) >= 2 * STOP_S
    assert STOP_S < 10  # as install.md says


def test_unit_waits_for_the_clock(unit: configparser.RawConfigParser) -> None:
    """`After=` alone does not wait for a target; it also needs `Wants=`."""
    assert set(unit["Unit"]["Wants"].split()) <= set(unit["Unit"]["After"].split())
    assert "time-sync.target" in unit["Unit"]["Wants"].split()


@pytest.mark.parametrize(("file", "streams"), [("tocsin.service", 30), ("cameras.conf", 250)])
def test_limits_have_room_for_as_many_streams_as_they_say(file: str, streams: int) -> None:
    """By the memory measured for a node and for each ffmpeg process."""
    text = (DEPLOY / file).read_text(encoding="utf-8")
    assert f"for {streams}" in text
    memory, unit, tasks = re.findall(r"^MemoryMax=(\d+)([MG])\nTasksMax=(\d+)$", text, flags=re.MULTILINE)[0]
    assert int(memory) * {"M": 1, "G": 1024}[unit] >= 75 + 13 * streams
    assert int(tasks) >= 16 + 12 * streams + GPU_TASKS


@pytest.mark.parametrize("file", ["nvidia.conf", "jetson.conf"])
def test_a_drop_in_for_a_gpu_takes_no_room_from_one_for_streams(file: str) -> None:
    """Of two drop-ins with the same limit the later in the alphabet would win."""
    limits = dict(re.findall(r"^(MemoryMax|TasksMax|LimitNOFILE)=(.+)$", (DEPLOY / file).read_text(), re.MULTILINE))
    assert limits == {"MemoryMax": "infinity"}
    assert file > "cameras.conf"


def test_unit_switches_telemetry_off(unit: configparser.RawConfigParser) -> None:
    """The variable for ONNX Runtime is set before the start."""
    assert unit["Service"]["Environment"] == "ORT_DISABLE_TELEMETRY=1"


def test_unit_leaves_sound_its_freedom(unit: configparser.RawConfigParser) -> None:
    """Callbacks need writable code and devices are in /dev/snd, so two options stay out."""
    assert "MemoryDenyWriteExecute" not in unit["Service"]
    assert "PrivateDevices" not in unit["Service"]


@pytest.mark.systemd
def test_unit_is_hardened() -> None:
    """The exposure level of systemd is 2.0 or less."""
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"})
    found = re.search(r"exposure level for tocsin\.service: (\d+\.\d+)", answer.stdout)
    assert found
    assert float(found.group(1)) <= EXPOSURE_MAX


@pytest.mark.systemd
def test_unit_has_no_unknown_key(tmp_path: Path) -> None:
    """Every line of the unit and its drop-ins is known to systemd."""
    program = tmp_path / "tocsin"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    text = UNIT.read_text(encoding="utf-8").replace("/opt/tocsin/bin/tocsin", str(program))
    unit = tmp_path / "tocsin.service"
    unit.write_text(text, encoding="utf-8")
    folder = tmp_path / "tocsin.service.d"
    folder.mkdir()
    drop_ins = list(DEPLOY.glob("*.conf"))
    drop_ins.remove(DEPLOY / "mosquitto.conf")
    for drop_in in drop_ins:
        shutil.copy(drop_in, folder)
    answer = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert "tocsin" not in answer.stderr


@pytest.mark.broker
def test_broker_takes_its_example(tmp_path: Path, free_port: int) -> None:
    """Mosquitto starts with the example, and accepts only clients with the password."""
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    passwords = tmp_path / "passwd"
    subprocess.run(["mosquitto_passwd", "-c", "-b", passwords, "street-12", "secret"], check=True, capture_output=True)
    passwords.chmod(0o644)
    text = (DEPLOY / "mosquitto.conf").read_text(encoding="utf-8")
    text = text.replace("/etc/mosquitto/passwd\n", f"{passwords}\n", 3).replace("1883 127", f"{free_port} 127")
    text = re.sub(r"^persistence_location .*$", f"persistence_location {tmp_path}/", text, flags=re.MULTILINE)
    config = tmp_path / "mosquitto.conf"
    config.write_text(text + "\nuser root\n", encoding="utf-8")
    with subprocess.Popen(["mosquitto", "-c", str(config), "-v"], stderr=subprocess.PIPE, text=True) as broker:
        try:
            assert broker.stderr
            assert any("running" in line for line in broker.stderr), "mosquitto did not start"
            codes: list[bool] = []

            def note(
                client: paho.Client, _data: object, _flags: object, reason: ReasonCode, _properties: object
            ) -> None:
                codes.append(reason.is_failure)
                client.disconnect()

            for password in ("secret", "wrong"):
                client = paho.Client(CallbackAPIVersion.VERSION2)
                client.username_pw_set("street-12", password)
                client.on_connect = note
                client.connect("127.0.0.1", free_port)
                client.loop_forever()
            assert codes == [False, True]
        finally:
            broker.terminate()
