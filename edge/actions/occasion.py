"""What an action is told of the pattern that started it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from string import Template
from typing import TYPE_CHECKING, Protocol

from edge.clock import format_rfc3339

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True)
class Occasion:
    """A pattern that was heard."""

    event: str
    """`double`, `triple`, a name of the user's, or `sound`."""
    source: str
    time: datetime
    """When its last clap sounded."""
    confidence: float
    intervals_ms: list[int]
    """The gaps between its claps; none for a sound."""


class Attempt(Protocol):
    """One kind of action: tried at most `tries` times, and not begun later than `expire_s` after the event."""

    tries: int
    expire_s: float

    def __call__(self, occasion: Occasion, left_s: float) -> None:
        """Do it, with `left_s` seconds until it expires; raises `ActionFailed`."""


def values(occasion: Occasion, node: str) -> dict[str, str]:
    """Return what the placeholders of a text stand for."""
    return {"event": occasion.event, "source": occasion.source, "node": node, "time": format_rfc3339(occasion.time)}


def fill(text: str, occasion: Occasion, node: str) -> str:
    """Return text with ``$event $source $node $time`` filled in, and ``$`` for ``$$``; all else stays as it is."""
    return Template(text).safe_substitute(values(occasion, node))
