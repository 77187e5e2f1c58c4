"""MQTT commands: `away/set` and `SOURCE/detect/set`, each ON or OFF."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from edge.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.node.retained import States
    from edge.node.stream import Stream
    from edge.store import Store

log = logging.getLogger("tocsin.service")

AWAY_SET = "away/set"


class Commands:
    """The switches of a node, by the end of their topic after the node's name."""

    def __init__(self) -> None:
        """Start without a switch."""
        self._switches: dict[str, Callable[[bool], object]] = {}

    def add(self, suffix: str, switch: Callable[[bool], object]) -> None:
        """Add a switch, called with True at ON and False at OFF.

        Add all switches before the publisher starts.
        """
        self._switches[suffix] = switch

    def execute(self, suffix: str, payload: str) -> None:
        """Execute a command; raises `UsageError` for an unknown one."""
        switch = self._switches.get(suffix)
        if switch is None or payload not in ("ON", "OFF"):
            msg = "the node has no such command"
            raise UsageError(msg, remedy="send ON or OFF to away/set, or to SOURCE/detect/set of one of its sources")
        switch(payload == "ON")


class DetectSwitch:
    """The detection switch of one source, kept across restarts."""

    def __init__(self, stream: Stream, *, enabled: bool, store: Store, states: States) -> None:
        """Take the stream of the source, and whether the settings enable it."""
        self._stream, self._enabled = stream, enabled
        self._store, self._states = store, states
        self._key = f"detect/{stream.name}"

    @property
    def suffix(self) -> str:
        """The end of its topic after the node's name."""
        return f"{self._stream.name}/detect/set"

    def restore(self) -> None:
        """Restore the state of the last run."""
        self._apply(enabled=self._enabled and self._store.state_get(self._key) != "OFF")

    def set(self, enabled: bool) -> None:  # noqa: FBT001 - the state itself
        """Switch the source and store its state."""
        payload = "ON" if enabled else "OFF"
        if self._store.state_get(self._key) != payload:  # avoid a write, which wears the disk
            self._store.state_set(self._key, payload)
        self._apply(enabled=enabled)
        log.info("source %s: detection switched %s over MQTT", self._stream.name, payload)

    def _apply(self, *, enabled: bool) -> None:
        self._stream.runner.set_enabled(enabled)
        self._states.publish_detection(self._stream.name, enabled=enabled)
