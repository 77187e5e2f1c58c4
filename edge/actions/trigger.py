"""Trigger of an action, and the placeholders made of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from string import Template
from typing import TYPE_CHECKING, Protocol

from edge.clock import format_rfc3339

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True)
class Trigger:
    """A detected pattern."""

    pattern: str
    """The name of the pattern: `double`, `triple`, one from the configuration, or `sound`."""
    source: str
    time: datetime
    """The time of its last clap."""
    confidence: float
    intervals_ms: list[int]
    """The gaps between its claps; empty for a sound."""


class Executor(Protocol):
    """An executor of one kind of action.

    It is called at most `tries` times, and not later than `expire_s` after the pattern.
    """

    tries: int
    expire_s: float

    def __call__(self, trigger: Trigger, left_s: float) -> None:
        """Execute the action, which expires in `left_s` seconds; raises `ActionFailed`."""


def make_placeholders(trigger: Trigger, node: str) -> dict[str, str]:
    """Return the values of the placeholders by their names."""
    return {"event": trigger.pattern, "source": trigger.source, "node": node, "time": format_rfc3339(trigger.time)}


def fill(text: str, trigger: Trigger, node: str) -> str:
    """Replace ``$event $source $node $time`` by their values, and ``$$`` by ``$``."""
    return Template(text).safe_substitute(make_placeholders(trigger, node))
