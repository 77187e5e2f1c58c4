"""Fixtures: a store, and messages in it."""

from __future__ import annotations

import uuid
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from edge.publish.payload import EventContext, Stamp, cloud_event
from edge.publish.topics import Topics
from edge.store import Store
from edge.types import Event, ModelInfo, Phase

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTEXT = EventContext(
    "lamp", "mic", "", ModelInfo("tiny", "1", "ab" * 32, "cpu"), calibrated=False, clock_synced=True, severity="info"
)


TOPIC = Topics("tocsin", "lamp").event("mic")


def record(store: Store, number: int, *, topic: str = TOPIC) -> dict[str, Any]:
    """Store one event message; its score encodes `number`."""
    event = Event(
        str(uuid.uuid4()),
        Phase.START,
        "siren",
        number / 1e4,
        1.0,
        onset=0,
        end=None,
        decided=1,
        laeq_db=-30,
        lafmax_db=-20,
    )
    now = datetime.now(timezone.utc)
    return store.record(
        lambda sequence: cloud_event(
            event, CONTEXT, Stamp(str(uuid.uuid4()), sequence, now), onset=now, rate_hz=16_000
        ),
        topic=topic,
    )


def open_store(folder: Path) -> Store:
    """Open a store with room for everything."""
    return Store(folder, retention_days=1, max_events=100_000, outbox_max=100_000, clips_max_mb=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "state")
    yield opened
    opened.close()
