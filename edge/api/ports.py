"""What the web side needs of the rest of the node; the service implements it, the tests double it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from prometheus_client import CollectorRegistry

Json = dict[str, Any]
"""A JSON object."""


class Page(Protocol):
    """A stretch of the history."""

    @property
    def items(self) -> Sequence[Json]:
        """One object per event, newest first."""

    @property
    def next_cursor(self) -> str | None:
        """Where the next page begins; None on the last."""


class EventHistory(Protocol):
    """The part of the store that is read over HTTP. Every method blocks and is thread-safe."""

    def events(
        self,
        *,
        label: Sequence[str] = (),
        source: Sequence[str] = (),
        after: float | None = None,
        before: float | None = None,
        min_score: float | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """Return events that began in [after, before) (Unix seconds).

        With `label` or `source` those of any of them; a cursor that is none raises UsageError.
        """

    def event(self, event_id: str) -> Json | None:
        """Return one event with all its messages."""

    def messages_after(self, sequence: int, limit: int) -> list[Json]:
        """Return CloudEvents with a higher sequence, in order."""

    def latest_sequence(self) -> int:
        """Return the sequence of the newest message; 0 when there is none."""

    def clip_path(self, event_id: str) -> Path | None:
        """Return the file with the sound of an event, where it was kept."""


class NodeApi(Protocol):
    """The running node, as seen from the web. Every method is thread-safe."""

    @property
    def registry(self) -> CollectorRegistry:
        """The node's metrics."""

    @property
    def store(self) -> EventHistory:
        """The history."""

    def sources(self) -> list[Json]:
        """Return the state of each source: at least `name`, `state`, `detail`, `device`, `rate_hz`."""

    def model(self) -> Json:
        """Return the active model: at least `id`, `version`, `sha256`, `provider`, `labels`."""

    def models(self) -> list[Json]:
        """Return the installed bundles."""

    def config(self) -> Json:
        """Return the effective settings, secrets masked."""

    def mqtt(self) -> Json:
        """Return `enabled`, `connected`, `broker` as host:port, and how many messages are `waiting`, `oldest_s` old."""

    def away(self) -> Json:
        """Return the away mode: `enabled`, `state` ON or OFF, `armed`, `arming_until` (RFC 3339 or None), `quiet`."""

    def set_away(self, on: bool) -> Json:  # noqa: FBT001 - the state itself
        """Switch the away mode and return it; raises UsageError where it is not enabled."""

    def ready(self) -> list[str]:
        """Return why the node is not ready; empty when it is."""

    def subscribe_events(self, callback: Callable[[Json], None]) -> Callable[[], None]:
        """Call back with each CloudEvent after its commit, from another thread; returns how to stop."""

    def subscribe_live(self, callback: Callable[[Json], None]) -> Callable[[], None]:
        """Call back with each live frame, from another thread; returns how to stop.

        A frame has `source`, `time`, `scores` {label: probability}, `laeq` in dB, `mel`: 64 values of 0 to 255. Where
        the away mode watches the source it has `away`: `background` and `threshold` in dB, and `restless` or not.
        """

    def classify(
        self, path: Path, *, hop_s: float | None, top_k: int | None, threshold: float | None, max_s: float
    ) -> Json:
        """Classify a file of at most `max_s` seconds; blocks, and raises of `edge.errors` what is wrong with it."""
