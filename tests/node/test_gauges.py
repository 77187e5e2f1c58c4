"""Prometheus metrics: present from the start, and left out if unknown."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from edge.api.records import BrokerStatus
from edge.node.build import build_node
from edge.node.gauges import MachineGauges, NodeGauges
from edge.settings.tree import Settings
from edge.telemetry import Metrics
from edge.types import SourceState, SourceStats

if TYPE_CHECKING:
    from pathlib import Path

STATS = SourceStats("mic", "mic", SourceState.ONLINE, "", 0, 0, 0.0, 0.0, 0.0, 2.0, 0.0)


def scrape(registry: CollectorRegistry) -> dict[str, float]:
    """Return every sample by its name and labels, as on the metrics page."""
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_declared_counters_start_at_0() -> None:
    """Every counter of a known source, label, pattern or action exists from the start."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.declare(["mic", "yard"], ["gunshot", "siren"], ["double"], ["restless"], ["lamp"])
    first = scrape(registry)
    for source in ("mic", "yard"):
        for name in ("windows", "windows_dropped", "clap_onsets"):
            assert first[f'tocsin_{name}_total{{source="{source}"}}'] == 0
        assert first[f'tocsin_events_total{{label="gunshot",source="{source}"}}'] == 0
        assert first[f'tocsin_patterns_total{{label="double",source="{source}"}}'] == 0
        assert first[f'tocsin_patterns_suppressed_total{{label="restless",source="{source}"}}'] == 0
    for label in ("gunshot", "siren"):
        assert first[f'tocsin_event_latency_seconds_count{{label="{label}"}}'] == 0
        assert first[f'tocsin_event_latency_seconds_bucket{{label="{label}",le="+Inf"}}'] == 0
    for name in ("actions", "action_failures", "actions_dropped"):
        assert first[f'tocsin_{name}_total{{label="lamp"}}'] == 0
    metrics.events.labels("mic", "gunshot").inc()
    metrics.declare(["mic", "yard"], ["gunshot", "siren", "horn"], [], [], [])
    assert scrape(registry)['tocsin_events_total{label="gunshot",source="mic"}'] == 1
    assert not [name for name in first if name.partition("{")[0].endswith("_created")]


def test_a_node_has_its_metrics_from_the_start(tmp_path: Path) -> None:
    """They cover alerts, patterns and actions of its configuration, the process and the disk."""
    settings = Settings.model_validate(
        {
            "node": {"id": "n"},
            "sources": [{"name": "yard", "spec": "file:/dev/null"}],
            "mqtt": {"enabled": False},
            "actions": {"lamp": {"type": "command", "command": ["true"]}},
            "away": {"enabled": True, "ignore": ["dog"]},
        }
    )
    node = build_node(settings, state_dir=tmp_path).web
    seen = scrape(node.registry)
    broker = BrokerStatus(enabled=False, connected=False, broker="127.0.0.1:1883", waiting=0, oldest_s=0.0)
    assert node.mqtt() == broker
    node.store.close()
    for label in ("siren", "gunshot", "traffic", "horn", "clap"):
        assert seen[f'tocsin_events_total{{label="{label}",source="yard"}}'] == 0
    for label in ("double", "triple", "sound"):
        assert seen[f'tocsin_patterns_total{{label="{label}",source="yard"}}'] == 0
    for reason in ("applause", "too many claps", "not sure", "jackhammer", "ignored label"):
        assert seen[f'tocsin_patterns_suppressed_total{{label="{reason}",source="yard"}}'] == 0
    assert seen['tocsin_event_latency_seconds_count{label="gunshot"}'] == 0
    assert seen['tocsin_actions_total{label="lamp"}'] == 0
    assert seen["tocsin_ready"] == 0
    assert seen["tocsin_disk_free_bytes"] > 0
    assert seen["tocsin_clock_synced"] in {0, 1}
    assert 0 < time.time() - seen["process_start_time_seconds"] < 3600
    assert seen["process_resident_memory_bytes"] > 1e6


@pytest.mark.parametrize(
    ("state", "age_s", "shown"),
    [(SourceState.ONLINE, 2.0, True), (SourceState.OFFLINE, 60.0, False), (SourceState.OFFLINE, float("inf"), False)],
)
def test_sources_have_a_level_while_they_deliver_sound(state: SourceState, age_s: float, shown: bool) -> None:
    """Neither an outdated level nor an unknown time is shown."""
    registry = CollectorRegistry()
    stats = replace(STATS, state=state, last_block_age_s=age_s)
    registry.register(NodeGauges(lambda: [stats], lambda: {"mic": -37.5}, list))
    seen = scrape(registry)
    assert (seen.get('tocsin_level_db{source="mic"}') == -37.5) is shown
    last = seen.get('tocsin_source_last_audio_timestamp_seconds{source="mic"}')
    assert last == (pytest.approx(time.time() - age_s, abs=1) if age_s < float("inf") else None)
    assert seen["tocsin_ready"] == 1


def test_temperature_and_throttling_come_from_sysfs(tmp_path: Path) -> None:
    """Each kind of zone has its highest temperature; missing or unreadable files are left out."""
    for i, (kind, temperature) in enumerate(
        [("cpu-thermal", "61234"), ("cpu-thermal", "59000"), ("gpu", "oh"), ("", "1")]
    ):
        zone = tmp_path / f"class/thermal/thermal_zone{i}"
        zone.mkdir(parents=True)
        (zone / "type").write_text(f"{kind}\n")
        (zone / "temp").write_text(f"{temperature}\n")
    registry = CollectorRegistry()
    registry.register(MachineGauges(tmp_path, tmp_path))
    bare = scrape(registry)
    assert {name: value for name, value in bare.items() if "temperature" in name} == {
        'tocsin_temperature_celsius{label="cpu-thermal"}': 61.234
    }
    assert not [name for name in bare if "throttled" in name]
    flags = tmp_path / "devices/platform/soc/soc:firmware/get_throttled"
    flags.parent.mkdir(parents=True)
    flags.write_text("50005\n")
    seen = scrape(registry)
    assert [name for name, value in seen.items() if "tocsin_throttled" in name and value] == [
        'tocsin_throttled{label="under_voltage"}',
        'tocsin_throttled{label="throttled"}',
    ]
