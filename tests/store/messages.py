"""Messages as the node writes them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from edge.publish.payload import EventContext, Stamp, cloud_event
from edge.types import Event, ModelInfo, Phase

if TYPE_CHECKING:
    from collections.abc import Callable

NOON = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
RATE_HZ = 16_000
NOON_S = NOON.timestamp()
TOPIC = "tocsin/node/mic/event"


def sound(
    event_id: str,
    phase: str = "start",
    *,
    onset_s: float = 0.0,
    label: str = "siren",
    source: str = "mic",
    score: float = 0.9,
    peak_score: float | None = None,
    synced: bool = True,
) -> Callable[[int], dict[str, Any]]:
    """Return the factory of a message of an event with onset `onset_s` after noon, one second long."""
    peak_score = score if peak_score is None else peak_score
    end = RATE_HZ if phase == "end" else None
    event = Event(event_id, Phase(phase), label, score, peak_score, 0, end, RATE_HZ, -31.5, -25.0)
    context = EventContext("node", source, "", ModelInfo("city", "0.1.0", "0" * 64, "cpu"), False, synced, "info")
    onset = NOON + timedelta(seconds=onset_s)
    heard = onset + timedelta(seconds=1)

    def make(sequence: int) -> dict[str, Any]:
        stamp = Stamp(f"m{sequence}", sequence, heard)
        return cloud_event(event, context, stamp, onset=onset, rate_hz=RATE_HZ)

    return make
