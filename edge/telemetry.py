"""Prometheus metrics of one node.

The registry is an argument, so that two nodes in one process do not share figures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

    from edge.types import SourceState, SourceStats

_LATENCIES_S = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.6, 1.0, 1.5, 2.0, 4.0, 8.0)
_INFERENCE_S = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)
_UP = ("online", "silent", "clipping")


class Metrics:
    """The metrics that the engine, the recorder and the reactions count."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register every metric."""
        disable_created_metrics()  # type: ignore[no-untyped-call] # a gauge beside every counter
        self.registry = registry
        self.inference_seconds = Histogram(
            "tocsin_inference_seconds", "Time of one inference", buckets=_INFERENCE_S, registry=registry
        )
        self.batch_size = Histogram(
            "tocsin_inference_batch_size",
            "Windows in one inference",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=registry,
        )
        self.windows = Counter("tocsin_windows", "Windows scored", ["source"], registry=registry)
        self.windows_dropped = Counter(
            "tocsin_windows_dropped",
            "Windows that were never scored because their audio was lost",
            ["source"],
            registry=registry,
        )
        self.event_latency = Histogram(
            "tocsin_event_latency_seconds",
            "From the onset of a sound to its event being recorded",
            ["label"],
            buckets=_LATENCIES_S,
            registry=registry,
        )
        self.events = Counter("tocsin_events", "Events begun", ["source", "label"], registry=registry)
        self.events_lost = Counter(
            "tocsin_events_lost", "Event messages that the history will never have", registry=registry
        )
        self.events_waiting = Gauge(
            "tocsin_events_waiting", "Event messages waiting to be written to the disk", registry=registry
        )
        self.clap_onsets = Counter("tocsin_clap_onsets", "Claps detected", ["source"], registry=registry)
        self.patterns = Counter(
            "tocsin_patterns", "Clap patterns, and sounds in the away mode", ["source", "label"], registry=registry
        )
        self.patterns_suppressed = Counter(
            "tocsin_patterns_suppressed",
            "Suppressed patterns; the label is the reason",
            ["source", "label"],
            registry=registry,
        )
        # Every trigger of an action ends in exactly one of these three.
        self.actions = Counter("tocsin_actions", "Actions carried out", ["label"], registry=registry)
        self.action_failures = Counter(
            "tocsin_action_failures", "Actions given up after their last try failed", ["label"], registry=registry
        )
        self.actions_dropped = Counter(
            "tocsin_actions_dropped",
            "Actions never tried because too many waited, or the service stopped",
            ["label"],
            registry=registry,
        )
        self.first_window = Gauge(
            "tocsin_first_window_seconds", "From the start of the process to the first scored window", registry=registry
        )

    def declare(
        self,
        sources: Sequence[str],
        alerts: Sequence[str],
        patterns: Sequence[str],
        reasons: Sequence[str],
        actions: Sequence[str],
    ) -> None:
        """Set every metric whose labels are known to 0.

        The first event then is an increase. `reasons` are the reasons to suppress a pattern.
        """
        for source in sources:
            for counter in (self.windows, self.windows_dropped, self.clap_onsets):
                counter.labels(source)
            for label in alerts:
                self.events.labels(source, label)
            for pattern in patterns:
                self.patterns.labels(source, pattern)
            for reason in reasons:
                self.patterns_suppressed.labels(source, reason)
        for label in alerts:
            self.event_latency.labels(label)
        for action in actions:
            for counter in (self.actions, self.action_failures, self.actions_dropped):
                counter.labels(action)

    def count_inference(self, windows: int, seconds: float) -> None:
        """Count one inference."""
        self.batch_size.observe(windows)
        self.inference_seconds.observe(seconds)

    def set_build_info(self, version: str, model_id: str, model_sha256: str, provider: str) -> None:
        """Publish the version and the model in use."""
        info = Gauge(
            "tocsin_build_info",
            "Always 1; what is running is in the labels",
            ["version", "model", "model_sha256", "provider"],
            registry=self.registry,
        )
        info.labels(version, model_id, model_sha256, provider).set(1)


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
    """Collector that reads sources and outbox at the moment of a scrape."""

    def __init__(
        self,
        sources: Callable[[], Sequence[SourceStats]],
        outbox: Outbox,
        connected: Callable[[], bool],
        unsendable: Callable[[], int] = lambda: 0,
        faulty_scores: Callable[[], int] = lambda: 0,
    ) -> None:
        """Take the functions that read the sources, the connection and two counts, and the outbox.

        `unsendable` counts the messages that no broker accepts, `faulty_scores` the scores that were not finite.
        """
        self._sources, self._outbox, self._connected = sources, outbox, connected
        self._unsendable, self._faulty_scores = unsendable, faulty_scores

    def collect(self) -> Iterator[Metric]:
        """Yield every metric family."""
        stats = self._sources()
        counters: dict[str, tuple[str, Callable[[SourceStats], float]]] = {
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
        for name, (text, read) in counters.items():
            counter = CounterMetricFamily(f"tocsin_{name}", text, labels=["source"])
            for source in stats:
                counter.add_metric([source.name], read(source))
            yield counter
        up = GaugeMetricFamily("tocsin_source_up", "1 while a source delivers sound", labels=["source"])
        lag = GaugeMetricFamily("tocsin_source_lag_seconds", "Sound waiting to be analysed", labels=["source"])
        for source in stats:
            up.add_metric([source.name], float(is_up(source.state)))
            lag.add_metric([source.name], source.lag_s)
        yield up
        yield lag
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


def is_up(state: SourceState) -> bool:
    """Return whether a source in this state delivers sound."""
    return state.value in _UP
