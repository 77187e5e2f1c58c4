"""Readiness tells the truth, one reason a fault."""

from __future__ import annotations

from typing import Any

import pytest

from edge.node.health import not_ready
from edge.types import SourceState, SourceStats


def source(name: str = "mic", **changes: Any) -> SourceStats:
    values: dict[str, Any] = {
        "name": name, "spec": "mic", "state": SourceState.ONLINE, "detail": "", "samples_total": 1,
        "overflows_total": 0,
        "gap_s_total": 0.0, "clipped_s_total": 0.0, "silent_s": 0.0, "last_block_age_s": 0.0, "lag_s": 0.0,
    }  # fmt: skip
    return SourceStats(**{**values, **changes})


def reasons(*sources: SourceStats, **changes: Any) -> list[str]:
    values: dict[str, Any] = {
        "engine_alive": True,
        "outbox": (0, 0.0),
        "recorder_problem": "",
        "free_mb": 1000,
        "min_free_mb": 64,
    }
    return not_ready(sources, **{**values, **changes})


def test_a_node_that_hears_is_ready() -> None:
    """Also while one of its sources is away, clipping or silent, and before the broker was ever there."""
    offline = source("b", state=SourceState.OFFLINE, detail="unplugged")
    assert reasons(source(), offline) == []
    assert reasons(source(state=SourceState.SILENT), outbox=(5, 10.0)) == []


@pytest.mark.parametrize(
    ("sources", "changes", "says"),
    [
        ([source(state=SourceState.OFFLINE, detail="no microphone")], {}, "no audio: mic: no microphone"),
        ([source(lag_s=9.0)], {}, "analysis lags: mic 9.0 s"),
        ([source()], {"engine_alive": False}, "engine is not running"),
        ([source()], {"outbox": (7, 900.0)}, "outbox stuck: 7 messages"),
        ([source()], {"recorder_problem": "the disk is full"}, "the disk is full"),
        ([source()], {"free_mb": 3}, "disk low: 3 MiB"),
        ([source()], {"refused": [("t/n/b/event", "Not authorized")]}, "events on t/n/b/event: Not authorized"),
    ],
)
def test_each_fault_has_its_reason(sources: list[SourceStats], changes: dict[str, Any], says: str) -> None:
    """And only its own."""
    (reason,) = reasons(*sources, **changes)
    assert says in reason


def test_a_source_that_is_switched_off_or_over_is_no_fault() -> None:
    """Nothing is missing that was wanted."""
    assert reasons(source(state=SourceState.DISABLED)) == []
    assert reasons(source(state=SourceState.OFFLINE, finished=True)) == []


def test_live_sound_that_ended_is_missed() -> None:
    """A pipe whose writer died is no recording that is over; beside another source it is one of those away."""
    ended = source("pipe", state=SourceState.OFFLINE, detail="standard input has ended", finished=True, lost=True)
    assert reasons(ended) == ["no audio: pipe: standard input has ended"]
    assert reasons(ended, source()) == []
