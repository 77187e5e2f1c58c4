"""What a node keeps retained at the broker: its sources' states, which sounds are on, and what it is."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from edge import __version__
from edge.clock import rfc3339
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
    """Publishes the states of one node."""

    def __init__(
        self,
        publisher: Publisher,
        settings: Settings,
        topics: Topics,
        labels: Iterable[str],
        info: Callable[[], dict[str, Any]],
    ) -> None:
        """Take where to publish, the labels that make events, and a function that returns what the node is."""
        self._publisher = publisher
        self._settings = settings
        self._topics, self._info = topics, info
        self._sources: tuple[str, ...] = ()
        self._announced: list[str] = []  # topics of Home Assistant's
        self.labels = tuple(labels)

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted this node."""
        return self._publisher.connected

    @property
    def figures(self) -> tuple[Callable[[], bool], Callable[[], int]]:
        """What is measured: whether there is a broker, and how many messages no broker would take."""
        return lambda: self._publisher.connected, lambda: self._publisher.unsendable

    def announce(self, sources: Sequence[str]) -> None:
        """Set what holds at the start: nothing sounds, every source is still to come, and what was before is gone."""
        self._introduce(sources)
        self.info()
        for source in sources:
            self.source(source, SourceState.OFFLINE)
        if self._settings.homeassistant.enabled:
            self._publisher.follow(birth_topic(self._settings), self._born)

    def _introduce(self, sources: Sequence[str]) -> None:
        """Have the broker keep this node's topics and no others, and say to Home Assistant what there is."""
        self._sources = tuple(sources)
        settings, host = self._settings, socket.gethostname()
        devices = (
            make_discovery(settings, self._topics, sources, self.labels, __version__, host) if self._discovered else []
        )
        wanted: dict[str, dict[str, str]] = {topic: {} for topic in self._retained(sources)}
        wanted |= {topic: list_parts(device) for topic, device in devices}
        formerly = [*self._retained(sources), self._topics.away_state]
        if self._discovered:
            formerly += former_topics(settings, self._topics.node, sources)
        gone = self._publisher.keep_only(wanted, formerly=formerly)
        for topic, device in devices:
            self._publisher.set_state(topic, remove_parts(device, gone[topic]))
        self._announced = [topic for topic, _ in devices]

    @property
    def _discovered(self) -> bool:
        return self._settings.homeassistant.enabled

    def _retained(self, sources: Sequence[str]) -> list[str]:
        """Return every topic of this node's own that is retained."""
        topics = self._topics
        wanted = [topics.status, topics.info]
        if self._settings.away.enabled:
            wanted.append(topics.away_state)
        for source in sources:
            wanted += [topics.source_status(source), topics.detect_state(source)]
            wanted += [topics.sound(source, label) for label in self.labels]
        return wanted

    def _born(self, payload: bytes) -> None:
        """Announce again what Home Assistant may have forgotten, or somebody has deleted there."""
        if payload.strip() == b"online":
            self._publisher.repeat(self._announced)

    def info(self) -> None:
        """Say what the node is."""
        self._publisher.set_state(self._topics.info, {"version": __version__, **self._info()})

    def source(self, source: str, state: SourceState, *, up: bool = False) -> None:
        """Say what a source is doing; unless it is `up`, none of its sounds stays on."""
        self._publisher.set_state(self._topics.source_status(source), state.value)
        if not up:
            for label in self.labels:
                self.off(source, label)

    def relabel(self, labels: Iterable[str]) -> None:
        """Take over other labels: of those that came nothing sounds, and those that went are forgotten."""
        new = set(labels) - set(self.labels)
        self.labels = tuple(labels)
        self._introduce(self._sources)
        for source in self._sources:
            for label in new:
                self.off(source, label)
        self.info()

    def wake(self) -> None:
        """Have the outbox looked at: there may be more in it."""
        self._publisher.wake()

    def event(self, source: str, event: Event) -> None:
        """Follow an event that was recorded: its message may go, and its sound is on or off."""
        self._publisher.wake()
        if event.phase is not Phase.UPDATE:
            self._sound(source, event.label, "ON" if event.phase is Phase.START else "OFF")

    def detect(self, source: str, *, enabled: bool) -> None:
        """Say whether a source is listened to."""
        self._publisher.set_state(self._topics.detect_state(source), "ON" if enabled else "OFF")

    def level(self, source: str, level: Level, begin: datetime, dur_s: float) -> None:
        """Publish the level of a second, if anybody may hear it now."""
        if not self._publisher.connected:
            return
        payload = {
            "time": rfc3339(begin),
            "dur_s": round(dur_s, 3),
            "laeq": round(level.laeq_db, 1),
            "lafmax": round(level.lafmax_db, 1),
            "l10": round(level.l10_db, 1),
            "l50": round(level.l50_db, 1),
            "l90": round(level.l90_db, 1),
            "calibrated": self._settings.level.calibration_offset_db is not None,
        }
        self._publisher.publish_volatile(self._topics.level(source), payload)

    def off(self, source: str, label: str) -> None:
        """Say that a sound is over."""
        self._sound(source, label, "OFF")

    def _sound(self, source: str, label: str, value: str) -> None:
        # What ends may be of a source or a label that is there no more, as after a restart: that topic stays cleared.
        if source in self._sources and label in self.labels:
            self._publisher.set_state(self._topics.sound(source, label), value)
