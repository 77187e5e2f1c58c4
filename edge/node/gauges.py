"""Gauges of the node and its machine, read at the moment of a scrape; what the platform does not tell is left out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from edge.store import free_bytes
from edge.systemd import is_clock_synced
from edge.telemetry import is_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from prometheus_client.metrics_core import Metric

    from edge.types import SourceStats

_SYS = Path("/sys")
_ZONES = "class/thermal/thermal_zone*"
_THROTTLED = "devices/platform/soc/soc:firmware/get_throttled"
_LIMITS = ("under_voltage", "frequency_capped", "throttled", "soft_temperature_limit")
"""What the lowest bits of a Raspberry Pi's `get_throttled` say of this moment."""


class NodeGauges(Collector):
    """How the sources and the node are."""

    def __init__(
        self,
        sources: Callable[[], Sequence[SourceStats]],
        levels_db: Callable[[], Mapping[str, float]],
        not_ready: Callable[[], Sequence[str]],
    ) -> None:
        """Take what to ask: the sources' stats and levels, and why the node is not ready."""
        self._sources, self._levels_db, self._not_ready = sources, levels_db, not_ready

    def collect(self) -> Iterator[Metric]:
        """Yield every metric family."""
        level = GaugeMetricFamily(
            "tocsin_level_db", "A-weighted level now, dB SPL if calibrated, else re full scale", labels=["source"]
        )
        last = GaugeMetricFamily(
            "tocsin_source_last_audio_timestamp_seconds", "When a source last delivered sound", labels=["source"]
        )
        levels_db, now = self._levels_db(), time.time()
        for stats in self._sources():
            if is_up(stats.state):
                level.add_metric([stats.name], levels_db[stats.name])
            if stats.last_block_age_s < float("inf"):
                last.add_metric([stats.name], now - stats.last_block_age_s)
        yield level
        yield last
        yield GaugeMetricFamily("tocsin_ready", "1 while /readyz says so", value=float(not self._not_ready()))


class MachineGauges(Collector):
    """Clock, disk, temperature and throttling."""

    def __init__(self, folder: Path, sys: Path = _SYS) -> None:
        """Take the folder whose disk counts, and where the kernel tells of devices."""
        self._folder, self._sys = folder, sys

    def collect(self) -> Iterator[Metric]:
        """Yield every metric family."""
        yield GaugeMetricFamily(
            "tocsin_clock_synced", "1 while the clock is synchronised", value=float(is_clock_synced())
        )
        free = free_bytes(self._folder)
        yield GaugeMetricFamily("tocsin_disk_free_bytes", "Free disk where the history is", value=free)
        if zones := self._temperatures():
            heat = GaugeMetricFamily("tocsin_temperature_celsius", "Temperature of a thermal zone", labels=["label"])
            for zone, celsius in zones.items():
                heat.add_metric([zone], celsius)
            yield heat
        flags = _number(self._sys / _THROTTLED, 16)
        if flags is not None:
            limits = GaugeMetricFamily("tocsin_throttled", "1 while the board holds itself back", labels=["label"])
            for bit, limit in enumerate(_LIMITS):
                limits.add_metric([limit], flags >> bit & 1)
            yield limits

    def _temperatures(self) -> dict[str, float]:
        """Return the temperature of each kind of zone; of several of a kind, the hottest."""
        found: dict[str, float] = {}
        for zone in sorted(self._sys.glob(_ZONES)):
            kind, millidegrees = _text(zone / "type"), _number(zone / "temp", 10)
            if kind and millidegrees is not None:
                found[kind] = max(found.get(kind, float("-inf")), millidegrees / 1000)
        return found


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


def _number(path: Path, base: int) -> int | None:
    try:
        return int(_text(path), base)
    except ValueError:
        return None
