"""Base class of the receivers of an engine's findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.node.stream import Stream
    from edge.types import Event, Level, Pattern


class Receiver:
    """Receiver that ignores everything.

    Every method is called on the engine's thread and must not block.
    """

    def take_event(self, stream: Stream, event: Event) -> None:
        """Take a message of a stream."""

    def take_pattern(self, stream: Stream, pattern: Pattern) -> None:
        """Take a pattern of a stream, reported or suppressed."""

    def take_level(self, stream: Stream, level: Level) -> None:
        """Take the level of a second of a stream."""

    def end_turn(self, *, moved: bool) -> None:
        """Note the end of a turn, with or without audio (`moved`)."""

    def finish(self) -> None:
        """Note that all sources have ended and all their sound is decided."""
