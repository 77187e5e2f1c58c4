"""Interface of the publisher, and the publisher of a node without a broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


class Publisher(Protocol):
    """A publisher of states and events (`edge.publish.mqtt.MqttPublisher`). Only `stop` blocks."""

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted this node."""

    @property
    def refused(self) -> Mapping[str, str]:
        """The reasons of the broker for every topic whose events it refuses."""

    @property
    def unsendable(self) -> int:
        """The number of messages that no broker would accept."""

    def start(self) -> None:
        """Start to connect."""

    def stop(self, timeout_s: float = 3.0) -> None:
        """Send what waits within `timeout_s`, and disconnect."""

    def set_state(self, topic: str, payload: str | Mapping[str, Any]) -> None:
        """Set a topic's retained value."""

    def keep_only(
        self, wanted: Mapping[str, Mapping[str, str]], *, formerly: Iterable[str] = ()
    ) -> dict[str, dict[str, str]]:
        """Clear all other retained topics of this node; return the former parts of each."""

    def repeat(self, wanted: Iterable[str]) -> None:
        """Send the retained values of topics again."""

    def publish_volatile(self, topic: str, payload: str | Mapping[str, Any]) -> None:
        """Send a volatile message."""

    def publish_expiring(
        self, topic: str, payload: bytes, *, qos: int, retain: bool, expire_s: float, on_done: Callable[[str], None]
    ) -> None:
        """Send within `expire_s`; `on_done` gets the reason of a failure, or nothing."""

    def follow(self, topic: str, callback: Callable[[bytes], None]) -> None:
        """Call `callback` with every payload of a topic."""

    def wake(self) -> None:
        """Send the new messages of the outbox."""


class NullPublisher:
    """The publisher of a node without MQTT: it sends nothing."""

    connected = False
    unsendable = 0

    def __init__(self) -> None:
        """Begin without a refusal; it never changes."""
        self.refused: Mapping[str, str] = {}

    def start(self) -> None:
        """Do nothing."""

    def stop(self, timeout_s: float = 3.0) -> None:
        """Do nothing."""

    def set_state(self, topic: str, payload: str | Mapping[str, Any]) -> None:
        """Do nothing."""

    def keep_only(
        self, wanted: Mapping[str, Mapping[str, str]], *, formerly: Iterable[str] = ()
    ) -> dict[str, dict[str, str]]:
        """Return no former parts."""
        del formerly
        return {topic: {} for topic in wanted}

    def repeat(self, wanted: Iterable[str]) -> None:
        """Do nothing."""

    def publish_volatile(self, topic: str, payload: str | Mapping[str, Any]) -> None:
        """Do nothing."""

    def publish_expiring(
        self, topic: str, payload: bytes, *, qos: int, retain: bool, expire_s: float, on_done: Callable[[str], None]
    ) -> None:
        """Report at once that there is no broker."""
        del topic, payload, qos, retain, expire_s
        on_done("there is no broker to publish at; set mqtt.enabled = true")

    def follow(self, topic: str, callback: Callable[[bytes], None]) -> None:
        """Do nothing."""

    def wake(self) -> None:
        """Do nothing."""
