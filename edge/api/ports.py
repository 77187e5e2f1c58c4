"""Interfaces of the web side to the node; `edge.node.web` implements them, tests double them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from prometheus_client import CollectorRegistry

    from edge.api.answers import ClipAnswer, CloudEvent, EventDetail, EventItem, LiveFrame
    from edge.api.records import ActiveModel, AwayStatus, BrokerStatus, BundleEntry, SourceStatus


class Page(Protocol):
    """A page of the history."""

    @property
    def items(self) -> Sequence[EventItem]:
        """One object per event, newest first."""

    @property
    def next_cursor(self) -> str | None:
        """Cursor of the next page; None on the last."""


class EventHistory(Protocol):
    """The readable history. Every method blocks and is thread-safe."""

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

        Several values of `label` or `source` mean any of them. An unknown cursor raises UsageError.
        """

    def event(self, event_id: str) -> EventDetail | None:
        """Return one event with all its messages."""

    def messages_after(self, sequence: int, limit: int) -> list[CloudEvent]:
        """Return CloudEvents with a higher sequence, in order."""

    def latest_sequence(self) -> int:
        """Return the sequence of the newest message; 0 without one."""

    def clip_path(self, event_id: str) -> Path | None:
        """Return the file with the clip of an event; None without one."""


class NodeApi(Protocol):
    """The running node as the web side uses it. Every method is thread-safe."""

    @property
    def registry(self) -> CollectorRegistry:
        """The node's metrics."""

    @property
    def store(self) -> EventHistory:
        """The history."""

    def sources(self) -> list[SourceStatus]:
        """Return the state of each source, in the order of the configuration."""

    def model(self) -> ActiveModel:
        """Return the model in use."""

    def models(self) -> list[BundleEntry]:
        """Return the bundles on the device."""

    def patterns(self) -> list[str]:
        """Return the names of the clap patterns."""

    def config(self) -> dict[str, Any]:
        """Return the effective settings as JSON values, secrets masked."""

    def mqtt(self) -> BrokerStatus:
        """Return the connection to the broker and what waits for it."""

    def away(self) -> AwayStatus:
        """Return the away mode."""

    def set_away(self, on: bool) -> AwayStatus:  # noqa: FBT001 - the state itself
        """Switch the away mode and return it; raises UsageError where it is not enabled."""

    def ready(self) -> list[str]:
        """Return the reasons why the node is not ready; empty when it is."""

    def subscribe_events(self, callback: Callable[[CloudEvent], None]) -> Callable[[], None]:
        """Call `callback` with each message after its commit; return a function to unsubscribe.

        The call comes from another thread.
        """

    def subscribe_live(self, callback: Callable[[LiveFrame], None]) -> Callable[[], None]:
        """Call `callback` with each live frame; return a function to unsubscribe.

        The call comes from another thread.
        """

    def classify(
        self, path: Path, *, hop_s: float | None, top_k: int | None, threshold: float | None, max_s: float
    ) -> ClipAnswer:
        """Classify a file of at most `max_s` seconds; blocks, and raises errors of `edge.errors`."""
