"""Log lines of events."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from edge.node.eventlog import log_event
from edge.types import Event, Phase

if TYPE_CHECKING:
    import pytest


def test_start_and_end_have_a_line(caplog: pytest.LogCaptureFixture) -> None:
    """They have source, label, score and length; an update has no line."""
    caplog.set_level(logging.INFO, "tocsin.events")
    start = Event("e", Phase.START, "siren", 0.71, 0.71, 1600, None, 3200, -30.0, -28.0)
    log_event("door", start, 16_000)
    log_event("door", replace(start, phase=Phase.UPDATE, score=0.8), 16_000)
    log_event("door", replace(start, phase=Phase.END, score=0.1, peak_score=0.993, end=33_600), 16_000)
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.INFO, "source door: siren begins, score 0.71"),
        (logging.INFO, "source door: siren ends after 2.0 s, peak score 0.99"),
    ]
