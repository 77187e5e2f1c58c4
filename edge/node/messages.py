"""Common parts of all messages of a node: context, severity, topic and stamp."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from edge import systemd
from edge.publish.payload import EventContext, Stamp
from edge.publish.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge.inference.onnx import OnnxClassifier
    from edge.node.active import ActiveSettings
    from edge.types import ModelInfo, SourceStats


class Messages:
    """Factory for the common parts of a node's messages. Thread-safe."""

    def __init__(self, node: str, active: ActiveSettings, classifier: OnnxClassifier) -> None:
        """Take the node's name, its settings and the classifier behind its events."""
        self.topics = Topics(active.settings.mqtt.base, node)
        self.rate_hz = classifier.bundle.params.sample_rate_hz
        """Rate of sample indices."""
        self._active, self._classifier = active, classifier
        self._locations = {source.name: source.location for source in active.settings.sources}

    @property
    def model(self) -> ModelInfo:
        """The model behind the events."""
        return self._classifier.info

    def make_context(self, source: str, label: str | None = None) -> EventContext:
        """Return the context of a source's message at this moment.

        A `label` without a rule has the severity `info`.
        """
        rule = self._active.rules.get(label) if label is not None else None
        settings = self._active.settings
        return EventContext(
            node=self.topics.node,
            source_name=source,
            location=self._locations.get(source) or settings.node.location,
            model=self.model,
            calibrated=settings.level.calibration_offset_db is not None,
            clock_synced=systemd.is_clock_synced(),
            severity=rule.severity if rule else "info",
        )

    def find_topic(self, source: str) -> str | None:
        """Return the topic of a source's events, or None if MQTT is disabled."""
        return self.topics.event(source) if self._active.settings.mqtt.enabled else None

    def make_stamp(self, sequence: int) -> Stamp:
        """Return the stamp of a message recorded at this moment."""
        return Stamp(str(uuid.uuid4()), sequence, datetime.now(timezone.utc))

    def describe_node(self, sources: Iterable[SourceStats]) -> dict[str, Any]:
        """Return the content of the node's info topic."""
        return {
            "model": asdict(self.model),
            "labels": list(self._classifier.bundle.labels),
            "alerts": list(self._active.rules),
            "sources": [{"name": stats.name, "spec": stats.spec} for stats in sources],
            "clock_synced": systemd.is_clock_synced(),
        }
