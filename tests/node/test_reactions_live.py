"""Away mode of a whole service, over MQTT, with an action and a restart."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile as sf

from tests.support.listener import Listener, until
from tests.support.node import RunningNode

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.broker import Broker

pytestmark = pytest.mark.broker

RATE_HZ = 16_000
STATE, CLAP = "tocsin/bench/away/state", "tocsin/bench/s0/clap"


def write_bang(path: Path) -> str:
    """Write eight quiet seconds with half a second of noise; return a source that loops it."""
    rng = np.random.default_rng(5)
    sound = rng.normal(0.0, 1e-3, 8 * RATE_HZ)
    sound[6 * RATE_HZ : 6 * RATE_HZ + RATE_HZ // 2] *= 100.0
    sf.write(path, sound, RATE_HZ)
    return f"file:{path}?loop=1&speed=8"


def test_a_sound_while_away_reaches_broker_history_and_action(
    tmp_path: Path, broker: Broker, listener: Listener
) -> None:
    """Nothing is published before it is on and armed, and it is on after a restart."""
    mark = tmp_path / "mark"
    config = (
        f"[away]\narming_s = 1\nquiet_s = 1\nactions = ['mark']\n"
        f"[actions.mark]\ntype = 'command'\ncommand = ['touch', '{mark}-$event-$source']"
    )
    with RunningNode(tmp_path, write_bang(tmp_path / "room.wav"), mqtt_port=broker.port, config=config) as node:
        listener.wait(lambda heard: heard.last(STATE) == "OFF")
        until(lambda: node.metric("tocsin_windows_total") > 200)
        assert listener.last(CLAP) is None
        listener.publish("tocsin/bench/away/set", "ON")
        listener.wait(lambda heard: heard.last(STATE) == "ON" and heard.last(CLAP) is not None)
        assert json.loads(listener.last(CLAP) or "")["event_type"] == "sound"
        until((tmp_path / "mark-sound-s0").exists)
        assert node.get("/events?label=sound&limit=1")["items"][0]["intervals_ms"] == []
        assert node.get("/away")["armed"] is True
        node.stop()
        node.start()
        assert node.get("/away")["state"] == "ON"


def test_a_flood_of_commands_causes_few_writes_and_the_last_one_counts(
    tmp_path: Path, broker: Broker, listener: Listener
) -> None:
    """Commands can neither wear the disk nor fill the log; a restart has the last state."""
    config = "[away]\narming_s = 1000"
    with RunningNode(tmp_path, "mic:none", mqtt_port=broker.port, config=config) as node:
        listener.wait(lambda heard: heard.last("tocsin/bench/status") == "online")
        for number in range(300):
            listener.publish("tocsin/bench/away/set", "ON" if number % 2 else "OFF")
            listener.publish("tocsin/bench/s0/detect/set", "ON" if number % 2 else "OFF")
        listener.wait(lambda heard: heard.last(STATE) == "ON")
        until(lambda: node.get("/away")["state"] == "ON")
        log = node.log_path.read_text()
        assert 0 < log.count("away mode: switched") < 60
        assert 0 < log.count("detection switched") < 60
        node.stop()
        node.start()
        assert node.get("/away")["state"] == "ON"
