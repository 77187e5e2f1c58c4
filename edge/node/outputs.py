"""Outputs of a node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.node.reactions import Reactions
    from edge.node.recorder import Recorder
    from edge.node.retained import States
    from edge.publish.publisher import Publisher
    from edge.store import Store
    from edge.telemetry import Metrics


@dataclass(frozen=True)
class Outputs:
    """The parts of a node behind the engine, from history to actions."""

    store: Store
    metrics: Metrics
    publisher: Publisher
    states: States
    recorder: Recorder
    reactions: Reactions
