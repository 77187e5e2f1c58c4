"""Metrics of sources, outbox, node and machine, read at the moment of a scrape."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
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
"""The lowest bits of a Raspberry Pi's `get_throttled`, which describe the present."""
_SOURCE_COUNTERS: dict[str, tuple[str, Callable[[SourceStats], float]]] = {
    "audio_frames": ("Samples received, at the front end's rate", lambda s: s.samples_total),
    "audio_overflows": (
        "Times that sound was lost because it was not read in time",
        lambda s: s.overflows_total,
    ),
    "audio_gap_seconds": ("Sound lost in gaps", lambda s: s.gap_s_total),
    "audio_clipped_seconds": ("Sound at full scale", lambda s: s.clipped_s_total),
    "audio_bad_samples": (
        "Samples that were not finite or far beyond full scale, replaced by silence",
        lambda s: s.bad_samples_total,
    ),
}
"""The counters of a source, each with its help text and its reader."""


class Outbox(Protocol):
    """The part of the store that is read at a scrape."""

    @property
    def outbox_dropped(self) -> int:
        """Messages dropped since the start because too many waited."""

    @property
    def removed(self) -> int:
        """Damaged messages removed since the start."""

    def outbox_stats(self) -> tuple[int, float]:
        """Return the number of waiting messages, and the oldest one's age in seconds."""


class NodeCollector(Collector):
    """Collector of the metrics of sources, outbox and broker."""

    def __init__(
        self,
        sources: Callable[[], Sequence[SourceStats]],
        outbox: Outbox,
        connected: Callable[[], bool],
        unsendable: Callable[[], int] = lambda: 0,
        faulty_scores: Callable[[], int] = lambda: 0,
    ) -> None:
        """Take the outbox, and functions for the sources' stats, the connection and two counts.

        `unsendable` counts the messages that no broker accepts, `faulty_scores` the scores that were not finite.
        """
        self._sources, self._outbox, self._connected = sources, outbox, connected
        self._unsendable, self._faulty_scores = unsendable, faulty_scores

    def collect(self) -> Iterator[Metric]:
        """Yield every metric family."""
        yield from _collect_source_metrics(self._sources())
        waiting, oldest_s = self._outbox.outbox_stats()
        dropped = CounterMetricFamily("tocsin_outbox_dropped", "Messages dropped because too many waited")
        dropped.add_metric([], self._outbox.outbox_dropped)
        yield dropped
        damaged = CounterMetricFamily("tocsin_storage_damaged", "Damaged messages removed from history and outbox")
        damaged.add_metric([], self._outbox.removed)
        yield damaged
        unsendable = CounterMetricFamily("tocsin_outbox_unsendable", "Messages left out because no broker accepts them")
        unsendable.add_metric([], self._unsendable())
        yield unsendable
        faulty = CounterMetricFamily("tocsin_faulty_scores", "Scores that were not finite, and count as 0")
        faulty.add_metric([], self._faulty_scores())
        yield faulty
        yield GaugeMetricFamily("tocsin_outbox_messages", "Messages waiting for the broker", value=waiting)
        yield GaugeMetricFamily("tocsin_outbox_oldest_seconds", "Age of the oldest waiting message", value=oldest_s)
        yield GaugeMetricFamily(
            "tocsin_mqtt_connected", "1 while the broker has accepted the connection", value=float(self._connected())
        )


class NodeGauges(Collector):
    """Collector of levels, times of audio and readiness."""

    def __init__(
        self,
        sources: Callable[[], Sequence[SourceStats]],
        levels_db: Callable[[], Mapping[str, float]],
        not_ready: Callable[[], Sequence[str]],
    ) -> None:
        """Take functions for the sources' stats and levels, and for the problems of the node."""
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
        yield GaugeMetricFamily("tocsin_ready", "1 while /readyz answers 200", value=float(not self._not_ready()))


class MachineGauges(Collector):
    """Collector of clock, disk, temperature and throttling; unknown ones are left out."""

    def __init__(self, folder: Path, sys: Path = _SYS) -> None:
        """Take the folder whose disk is measured, and the root of sysfs."""
        self._folder, self._sys = folder, sys

    def collect(self) -> Iterator[Metric]:
        """Yield every metric family."""
        yield GaugeMetricFamily(
            "tocsin_clock_synced", "1 while the clock is synchronised", value=float(is_clock_synced())
        )
        free = free_bytes(self._folder)
        yield GaugeMetricFamily("tocsin_disk_free_bytes", "Free disk where the history is", value=free)
        if zones := self._read_temperatures():
            heat = GaugeMetricFamily("tocsin_temperature_celsius", "Temperature of a thermal zone", labels=["label"])
            for zone, celsius in zones.items():
                heat.add_metric([zone], celsius)
            yield heat
        flags = _read_number(self._sys / _THROTTLED, 16)
        if flags is not None:
            limits = GaugeMetricFamily("tocsin_throttled", "1 while the board limits its speed", labels=["label"])
            for bit, limit in enumerate(_LIMITS):
                limits.add_metric([limit], flags >> bit & 1)
            yield limits

    def _read_temperatures(self) -> dict[str, float]:
        """Return the highest temperature of each kind of zone."""
        found: dict[str, float] = {}
        for zone in sorted(self._sys.glob(_ZONES)):
            kind, millidegrees = _read_text(zone / "type"), _read_number(zone / "temp", 10)
            if kind and millidegrees is not None:
                found[kind] = max(found.get(kind, float("-inf")), millidegrees / 1000)
        return found


def _collect_source_metrics(sources: Sequence[SourceStats]) -> Iterator[Metric]:
    """Yield the metric families of the sources."""
    for name, (text, read) in _SOURCE_COUNTERS.items():
        counter = CounterMetricFamily(f"tocsin_{name}", text, labels=["source"])
        for source in sources:
            counter.add_metric([source.name], read(source))
        yield counter
    up = GaugeMetricFamily("tocsin_source_up", "1 while a source delivers sound", labels=["source"])
    lag = GaugeMetricFamily("tocsin_source_lag_seconds", "Sound waiting to be analysed", labels=["source"])
    for source in sources:
        up.add_metric([source.name], float(is_up(source.state)))
        lag.add_metric([source.name], source.lag_s)
    yield up
    yield lag


def _read_text(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


def _read_number(path: Path, base: int) -> int | None:
    try:
        return int(_read_text(path), base)
    except ValueError:
        return None
