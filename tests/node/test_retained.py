"""Retained topics after a kill and a change of the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge.data import street_path
from tests.support.listener import Listener
from tests.support.node import RunningNode

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.broker import Broker

pytestmark = pytest.mark.broker


def test_the_next_start_corrects_the_topics_of_a_killed_service(
    tmp_path: Path, broker: Broker, listener: Listener
) -> None:
    """Its last will is published after the kill; topics of a removed source are cleared."""
    street = f"file:{street_path()}?speed=8&loop=1"
    config = "[homeassistant]\nenabled = true"
    killed = RunningNode(tmp_path, street, street, mqtt_port=broker.port, config=config)
    killed.start()
    try:
        listener.wait(lambda heard: heard.last("tocsin/bench/s1/sound/siren") == "ON", 40)
    finally:
        killed.kill()
    listener.wait(lambda heard: heard.last("tocsin/bench/status") == "offline")
    with RunningNode(tmp_path, "mic:none", mqtt_port=broker.port, config=config):
        listener.wait(lambda heard: heard.last("tocsin/bench/status") == "online")
        late = Listener(broker)
        late.wait(lambda heard: heard.last("tocsin/bench/status") == "online")
        late.wait(lambda heard: heard.last("tocsin/bench/s0/sound/siren") == "OFF")
        late.wait(lambda heard: heard.last("tocsin/bench/s0/status") == "offline")
        gone = ("tocsin/bench/s1/", "homeassistant/device/tocsin_bench_s1/")
        assert not [m.topic for m in late.messages if m.topic.startswith(gone)]
        late.close()
