"""Log lines of events, for the journal of a node."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from edge.types import Phase

if TYPE_CHECKING:
    from edge.types import Event

LOGGER = "tocsin.events"
log = logging.getLogger(LOGGER)


def log_event(source: str, event: Event, rate_hz: int) -> None:
    """Log the start and the end of an event, but not its updates."""
    if event.phase is Phase.START:
        log.info("source %s: %s begins, score %.2f", source, event.label, event.score)
    elif event.phase is Phase.END:
        lasted_s = ((event.end or event.decided) - event.onset) / rate_hz
        log.info("source %s: %s ends after %.1f s, peak score %.2f", source, event.label, lasted_s, event.peak_score)
