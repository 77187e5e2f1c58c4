"""Prometheus metrics of one node.

The registry is an argument, so that two nodes in one process do not share figures.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prometheus_client import CollectorRegistry

    from edge.types import SourceState

_LATENCIES_S = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.6, 1.0, 1.5, 2.0, 4.0, 8.0)
_INFERENCE_S = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)
_BATCHES = (1, 2, 4, 8, 16, 32, 64)
_UP = ("online", "silent", "clipping")


class Metrics:
    """The metrics that the engine, the recorder and the reactions count."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register every metric."""
        disable_created_metrics()  # type: ignore[no-untyped-call] # a gauge beside every counter
        self.registry = registry
        counter = functools.partial(Counter, registry=registry)
        gauge = functools.partial(Gauge, registry=registry)
        histogram = functools.partial(Histogram, registry=registry)
        of_source, of_label, of_both = ["source"], ["label"], ["source", "label"]
        self.inference_seconds = histogram("tocsin_inference_seconds", "Time of one inference", buckets=_INFERENCE_S)
        self.batch_size = histogram("tocsin_inference_batch_size", "Windows in one inference", buckets=_BATCHES)
        self.windows = counter("tocsin_windows", "Windows scored", of_source)
        text = "Windows that were never scored because their audio was lost"
        self.windows_dropped = counter("tocsin_windows_dropped", text, of_source)
        text = "From the onset of a sound to its event being recorded"
        self.event_latency = histogram("tocsin_event_latency_seconds", text, of_label, buckets=_LATENCIES_S)
        self.events = counter("tocsin_events", "Events begun", of_both)
        self.events_lost = counter("tocsin_events_lost", "Event messages that the history will never have")
        self.events_waiting = gauge("tocsin_events_waiting", "Event messages waiting to be written to the disk")
        self.clap_onsets = counter("tocsin_clap_onsets", "Claps detected", of_source)
        self.patterns = counter("tocsin_patterns", "Clap patterns, and sounds in the away mode", of_both)
        text = "Suppressed patterns; the label is the reason"
        self.patterns_suppressed = counter("tocsin_patterns_suppressed", text, of_both)
        # Every trigger of an action ends in exactly one of these three.
        self.actions = counter("tocsin_actions", "Actions carried out", of_label)
        text = "Actions given up after their last try failed"
        self.action_failures = counter("tocsin_action_failures", text, of_label)
        text = "Actions never tried because too many waited, or the service stopped"
        self.actions_dropped = counter("tocsin_actions_dropped", text, of_label)
        text = "From the start of the process to the first scored window"
        self.first_window = gauge("tocsin_first_window_seconds", text)

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


def is_up(state: SourceState) -> bool:
    """Return whether a source in this state delivers sound."""
    return state.value in _UP
