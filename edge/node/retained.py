"""Retained MQTT topics of a node: states of sources and sounds, and node info."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from edge import __version__
from edge.clock import format_rfc3339
from edge.publish.hadevice import former_topics, list_parts, remove_parts
from edge.publish.homeassistant import birth_topic, make_discovery
from edge.types import Phase, SourceState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from edge.publish.publisher import Publisher
    from edge.publish.topics import Topics
    from edge.settings.tree import Settings
    from edge.types import Event, Level


class States:
    """Publisher of the states of one node."""

    def __init__(
        self,
        publisher: Publisher,
        settings: Settings,
        topics: Topics,
        labels: Iterable[str],
        info: Callable[[], dict[str, Any]],
    ) -> None:
        """Take the labels of events, and a function that returns the node's info."""
        self._publisher = publisher
        self._settings = settings
        self._topics, self._info = topics, info
        self._sources: tuple[str, ...] = ()
        self._announced: list[str] = []  # discovery topics of Home Assistant
        self.labels = tuple(labels)

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted this node."""
        return self._publisher.connected

    @property
    def figures(self) -> tuple[Callable[[], bool], Callable[[], int]]:
        """Readers of two metrics: the connection, and the number of unsendable messages."""
        return lambda: self._publisher.connected, lambda: self._publisher.unsendable

    def announce(self, sources: Sequence[str]) -> None:
        """Publish the states at the start: all sources offline and all sounds off."""
        self._update_topics(sources)
        self.publish_info()
        for source in sources:
            self.publish_source(source, SourceState.OFFLINE)
        if self._settings.homeassistant.enabled:
            self._publisher.follow(birth_topic(self._settings), self._answer_birth)

    def _update_topics(self, sources: Sequence[str]) -> None:
        """Clear outdated retained topics, and publish the discovery of Home Assistant."""
        self._sources = tuple(sources)
        settings, host = self._settings, socket.gethostname()
        devices = (
            make_discovery(settings, self._topics, sources, self.labels, __version__, host) if self._discovers else []
        )
        wanted: dict[str, dict[str, str]] = {topic: {} for topic in self._list_retained(sources)}
        wanted |= {topic: list_parts(device) for topic, device in devices}
        formerly = [*self._list_retained(sources), self._topics.away_state]
        if self._discovers:
            formerly += former_topics(settings, self._topics.node, sources)
        gone = self._publisher.keep_only(wanted, formerly=formerly)
        for topic, device in devices:
            self._publisher.set_state(topic, remove_parts(device, gone[topic]))
        self._announced = [topic for topic, _ in devices]

    @property
    def _discovers(self) -> bool:
        return self._settings.homeassistant.enabled

    def _list_retained(self, sources: Sequence[str]) -> list[str]:
        """Return all retained topics of this node, without discovery."""
        topics = self._topics
        wanted = [topics.status, topics.info]
        if self._settings.away.enabled:
            wanted.append(topics.away_state)
        for source in sources:
            wanted += [topics.source_status(source), topics.detect_state(source)]
            wanted += [topics.sound(source, label) for label in self.labels]
        return wanted

    def _answer_birth(self, payload: bytes) -> None:
        """Repeat the discovery at a start of Home Assistant, which may have lost it."""
        if payload.strip() == b"online":
            self._publisher.repeat(self._announced)

    def publish_info(self) -> None:
        """Publish the info of the node."""
        self._publisher.set_state(self._topics.info, {"version": __version__, **self._info()})

    def publish_source(self, source: str, state: SourceState, *, up: bool = False) -> None:
        """Publish the state of a source; unless it is `up`, switch all its sounds off."""
        self._publisher.set_state(self._topics.source_status(source), state.value)
        if not up:
            for label in self.labels:
                self.switch_off(source, label)

    def set_labels(self, labels: Iterable[str]) -> None:
        """Replace the labels: new ones are off, and the topics of old ones are cleared."""
        new = set(labels) - set(self.labels)
        self.labels = tuple(labels)
        self._update_topics(self._sources)
        for source in self._sources:
            for label in new:
                self.switch_off(source, label)
        self.publish_info()

    def wake_publisher(self) -> None:
        """Wake the publisher to read the outbox."""
        self._publisher.wake()

    def publish_event(self, source: str, event: Event) -> None:
        """Publish a recorded event, and the state of its sound."""
        self._publisher.wake()
        if event.phase is not Phase.UPDATE:
            self._publish_sound(source, event.label, "ON" if event.phase is Phase.START else "OFF")

    def publish_detection(self, source: str, *, enabled: bool) -> None:
        """Publish whether detection is enabled for a source."""
        self._publisher.set_state(self._topics.detect_state(source), "ON" if enabled else "OFF")

    def publish_level(self, source: str, level: Level, begin: datetime, dur_s: float) -> None:
        """Publish the level of a second, if connected."""
        if not self._publisher.connected:
            return
        payload = {
            "time": format_rfc3339(begin),
            "dur_s": round(dur_s, 3),
            "laeq": round(level.laeq_db, 1),
            "lafmax": round(level.lafmax_db, 1),
            "l10": round(level.l10_db, 1),
            "l50": round(level.l50_db, 1),
            "l90": round(level.l90_db, 1),
            "calibrated": self._settings.level.calibration_offset_db is not None,
        }
        self._publisher.publish_volatile(self._topics.level(source), payload)

    def switch_off(self, source: str, label: str) -> None:
        """Publish a sound as OFF."""
        self._publish_sound(source, label, "OFF")

    def _publish_sound(self, source: str, label: str, value: str) -> None:
        # An event left open by another run may have a source or label that no longer exists: its topic stays cleared.
        if source in self._sources and label in self.labels:
            self._publisher.set_state(self._topics.sound(source, label), value)
