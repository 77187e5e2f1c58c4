"""Commands over MQTT: `away/set` and `SOURCE/detect/set`, each ON or OFF."""

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
    """The switches of a node by the part of their topic behind the node's name."""

    def __init__(self) -> None:
        """Begin without a switch."""
        self._switches: dict[str, Callable[[bool], object]] = {}

    def add(self, suffix: str, switch: Callable[[bool], object]) -> None:
        """Have `switch` called with True at ON and False at OFF; to be done before the publisher starts."""
        self._switches[suffix] = switch

    def obey(self, suffix: str, payload: str) -> None:
        """Carry out a command; raises `UsageError` for anything else."""
        switch = self._switches.get(suffix)
        if switch is None or payload not in ("ON", "OFF"):
            msg = "the node has no such command"
            raise UsageError(msg, remedy="send ON or OFF to away/set, or to SOURCE/detect/set of one of its sources")
        switch(payload == "ON")


class DetectSwitch:
    """The detection switch of one source, which outlives a restart."""

    def __init__(self, stream: Stream, *, enabled: bool, store: Store, states: States) -> None:
        """Take the source's stream, and whether its settings enable it."""
        self._stream, self._enabled = stream, enabled
        self._store, self._states = store, states
        self._key = f"detect/{stream.name}"

    @property
    def suffix(self) -> str:
        """The part of its topic behind the node's name."""
        return f"{self._stream.name}/detect/set"

    def restore(self) -> None:
        """Set the source as it was left by the last run."""
        self._apply(enabled=self._enabled and self._store.state_get(self._key) != "OFF")

    def set(self, enabled: bool) -> None:  # noqa: FBT001 - the state itself
        """Switch the source and keep that."""
        payload = "ON" if enabled else "OFF"
        if self._store.state_get(self._key) != payload:  # a write wears the disk
            self._store.state_set(self._key, payload)
        self._apply(enabled=enabled)
        log.info("source %s: detection switched %s over MQTT", self._stream.name, payload)

    def _apply(self, *, enabled: bool) -> None:
        self._stream.runner.set_enabled(enabled)
        self._states.detect(self._stream.name, enabled=enabled)
