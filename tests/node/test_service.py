"""The whole service in a process of its own, with real sound, broker, HTTP and signals."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile as sf

from edge.audio.decode.recording import open_recording
from edge.data import street_path
from tests.support.listener import Listener, until
from tests.support.node import RunningNode

if TYPE_CHECKING:
    from tests.support.broker import Broker

pytestmark = pytest.mark.broker

FAST = f"file:{street_path()}?speed=16"
MODELS = Path(__file__).parents[2] / "edge" / "models"


def get_source(node: RunningNode) -> dict[str, Any]:
    answer: dict[str, Any] = node.get("/sources")["items"][0]
    return answer


def drop_repeats(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return events without those that were sent again."""
    return list({(event["source"], event["id"]): event for event in reversed(events)}.values())[::-1]


def test_a_street_scene_reaches_broker_history_and_metrics(tmp_path: Path, broker: Broker, listener: Listener) -> None:
    """Each event is equal everywhere, its sound goes ON and OFF, and a clean stop is published."""
    with RunningNode(tmp_path, FAST, mqtt_port=broker.port) as node:
        until(lambda: get_source(node)["detail"] == "end of file")
        listener.wait(lambda heard: heard.last("tocsin/bench/s0/sound/gunshot") == "OFF" and len(heard.events()) > 6)
        until(lambda: node.metric("tocsin_outbox_messages") == 0)
        items = node.get("/events?limit=1000")["items"]
        assert {"siren", "horn", "gunshot"} <= {item["label"] for item in items}
        assert node.metric("tocsin_windows_dropped_total") == 0
        assert node.metric("tocsin_events_total", label="siren") == 1
        assert node.stop() == 0
    listener.wait(lambda heard: heard.last("tocsin/bench/status") == "stopped")
    events = listener.events()
    assert {event["data"]["event_id"] for event in events} == {item["event_id"] for item in items}
    assert [event["sequence"] for event in events] == sorted(event["sequence"] for event in events)
    gunshot = [m.payload for m in listener.messages if m.topic == "tocsin/bench/s0/sound/gunshot"]
    assert gunshot[0] == b"OFF"
    assert b"ON" in gunshot
    info = json.loads(listener.last("tocsin/bench/info") or "{}")
    assert info["model"]["id"] == "city"
    assert len(info["labels"]) == 23
    assert listener.last("tocsin/bench/s0/status") == "offline"
    levels = [json.loads(m.payload) for m in listener.messages if m.topic == "tocsin/bench/s0/level"]
    assert set(levels[0]) == {"time", "dur_s", "laeq", "lafmax", "l10", "l50", "l90", "calibrated"}


def is_end(event: dict[str, Any]) -> bool:
    return bool(event["data"]["phase"] == "end")


def test_a_killed_node_closes_what_it_left_open_and_counts_on(
    tmp_path: Path, broker: Broker, listener: Listener
) -> None:
    """After a kill the status is offline, the next start ends the event, and sequences continue."""
    node = RunningNode(tmp_path, f"file:{street_path()}?speed=16&loop=1", mqtt_port=broker.port)
    node.start()
    try:
        listener.wait(lambda heard: any(event["subject"] == "siren" for event in heard.events()), 30)
        node.kill()
        listener.wait(lambda heard: heard.last("tocsin/bench/status") == "offline")
        before = drop_repeats(listener.events())
        ended = {event["data"]["event_id"] for event in before if is_end(event)}
        left_open = {event["data"]["event_id"] for event in before} - ended
        node.start()
        listener.wait(lambda heard: left_open <= {e["data"]["event_id"] for e in heard.events() if is_end(e)})
    finally:
        node.kill()
    events = drop_repeats(listener.events())
    endings = [event for event in events if is_end(event) and event["data"]["event_id"] in left_open]
    assert len(endings) == len(left_open)
    assert all(event["data"]["gap"] for event in endings)
    assert "siren" in {event["subject"] for event in endings}
    sequences = [int(event["sequence"]) for event in events]
    assert sequences == list(range(1, len(sequences) + 1))


def test_a_node_without_microphone_and_broker_runs_and_logs_each_problem_once(tmp_path: Path) -> None:
    """The API answers, /readyz is 503 with the reason, and the log is short."""
    environment = {"PULSE_SERVER": "unix:/nowhere", "ALSA_CONFIG_PATH": "/dev/null", "PATH": "/nowhere"}
    node = RunningNode(tmp_path, "mic", "rtsp://127.0.0.1:1/stream", mqtt_port=1, env=environment)
    node.start()
    try:
        until(lambda: "ffmpeg" in node.log_path.read_text())
        time.sleep(5)  # several attempts
        assert node.get("/livez")
        assert {item["state"] for item in node.get("/sources")["items"]} == {"offline"}
        with pytest.raises(OSError, match="503"):
            node.get("/readyz")
        log = node.log_path.read_text().splitlines()
        assert sum("no broker answers at" in line for line in log) == 1
        assert sum("source s0" in line for line in log) == 1
        assert sum("source s1" in line and "ffmpeg" in line for line in log) == 1
        assert not any("Traceback" in line for line in log)
    finally:
        assert node.stop() == 0


def test_a_source_is_switched_over_mqtt_and_keeps_its_state(tmp_path: Path, broker: Broker, listener: Listener) -> None:
    """`detect/set` disables the source, also after a restart."""
    node = RunningNode(tmp_path, f"file:{street_path()}?loop=1", mqtt_port=broker.port)
    with node:
        listener.wait(lambda heard: heard.last("tocsin/bench/s0/detect/state") == "ON")
        listener.publish("tocsin/bench/s0/detect/set", "OFF")
        listener.wait(lambda heard: heard.last("tocsin/bench/s0/status") == "disabled")
        assert listener.last("tocsin/bench/s0/detect/state") == "OFF"
    with node:
        until(lambda: get_source(node)["state"] == "disabled")
        listener.publish("tocsin/bench/s0/detect/set", "ON")
        until(lambda: get_source(node)["state"] == "online")


def test_sighup_applies_rules_and_names_sections_that_need_a_restart(tmp_path: Path) -> None:
    """A wrong file changes nothing."""
    node = RunningNode(tmp_path, f"file:{street_path()}?loop=1")
    config = tmp_path / "tocsin.toml"
    text = config.read_text()
    with node:
        assert node.process is not None
        config.write_text(text + "\n[detection.classes.siren]\non = 0.99\n[level]\nenabled = false\n")
        node.process.send_signal(signal.SIGHUP)
        until(lambda: "needs a restart: level" in node.log_path.read_text())
        assert node.get("/config")["detection"]["classes"]["siren"]["on"] == 0.99
        config.write_text(text + "\n[detction]\n")
        node.process.send_signal(signal.SIGHUP)
        until(lambda: "configuration not re-read" in node.log_path.read_text())
        assert node.get("/config")["detection"]["classes"]["siren"]["on"] == 0.99


def test_a_damaged_bundle_is_replaced_by_a_working_one(tmp_path: Path) -> None:
    """The shipped bundle runs, although it lacks a label and has other thresholds than configured."""
    broken = tmp_path / "broken"
    shutil.copytree(MODELS / "city", broken)
    (broken / "model.onnx").write_bytes((broken / "model.onnx").read_bytes()[:1000])
    config = (
        f'[model]\nbundle = "{broken}"\n[detection.classes.drill]\non = 0.5\n[detection.classes.horn]\noff = 0.97\n'
    )
    config += '[away]\nenabled = true\nignore = ["drill", "traffic"]\n'
    with RunningNode(tmp_path, FAST, config=config) as node:
        assert node.get("/models")["active"]["id"] == "city"
        log = node.log_path.read_text()
        assert "differs from the exported file" in log
        assert "using model city" in log
        assert "no drill: their settings are ignored" in log
        assert "detection.classes.horn: off (0.97) must not be above on" in log
        assert node.process is not None
        file = tmp_path / "tocsin.toml"
        file.write_text(f"{file.read_text()}\n[detection.classes.siren]\non = 0.99\n")
        node.process.send_signal(signal.SIGHUP)
        until(lambda: "configuration re-read" in node.log_path.read_text())
        assert "needs a restart" not in node.log_path.read_text()
        assert [*node.get("/config")["detection"]["classes"]] == ["horn", "siren"]


def test_the_sound_of_a_long_event_is_kept_from_before_its_onset(tmp_path: Path) -> None:
    """The history of sound is shorter than the event."""
    config = "[privacy]\nkeep_clips = true\n[detection.classes.siren]\nsave_clip = true\n"
    with RunningNode(tmp_path, FAST, config=config) as node:
        until(lambda: get_source(node)["detail"] == "end of file")
        (siren,) = node.get("/events?label=siren")["items"]
        assert node.get("/events?label=gunshot")["items"][0]["clip"] is None
    samples, rate = sf.read(tmp_path / "state" / "clips" / siren["clip"])
    assert samples.size / rate == pytest.approx(15.0, abs=0.01)
    with open_recording(street_path()) as clip:
        scene = np.concatenate(list(clip.blocks(rate)))[: 30 * rate]
    begins_s = np.correlate(scene, samples[:8000].astype(np.float32)).argmax() / rate
    assert begins_s == pytest.approx(18.4 - 2.0, abs=1.0)  # the siren's onset less privacy.clip_before_s


@pytest.mark.parametrize("spec", [f"file:{street_path()}?loop=1", "file:/nowhere.wav"])
def test_systemd_gets_readiness_and_watchdog(spec: str, tmp_path: Path) -> None:
    """The watchdog is notified with audio, and also without a source."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000"}
        received: list[str] = []
        with RunningNode(tmp_path, spec, env=environment):
            while received.count("WATCHDOG=1") < 4 or not any(state.startswith("READY=1") for state in received):
                received.append(manager.recv(200).decode())
        received.append(manager.recv(200).decode())
        while received[-1] == "WATCHDOG=1":
            received.append(manager.recv(200).decode())
    assert received[-1] == "STOPPING=1"
