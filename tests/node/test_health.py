"""Readiness of a node, with a reason per problem."""

from __future__ import annotations

from typing import Any

import pytest

from edge.node.health import not_ready
from edge.types import SourceState, SourceStats


def make_stats(name: str = "mic", **changes: Any) -> SourceStats:
    values: dict[str, Any] = {
        "name": name, "spec": "mic", "state": SourceState.ONLINE, "detail": "", "samples_total": 1,
        "overflows_total": 0,
        "gap_s_total": 0.0, "clipped_s_total": 0.0, "silent_s": 0.0, "last_block_age_s": 0.0, "lag_s": 0.0,
    }  # fmt: skip
    return SourceStats(**{**values, **changes})


def list_reasons(*sources: SourceStats, **changes: Any) -> list[str]:
    values: dict[str, Any] = {
        "engine_alive": True,
        "outbox": (0, 0.0),
        "recorder_problem": "",
        "free_mb": 1000,
        "min_free_mb": 64,
    }
    return not_ready(sources, **{**values, **changes})


def test_a_node_with_sound_is_ready() -> None:
    """One of its sources may be offline or silent, and the broker absent."""
    offline = make_stats("b", state=SourceState.OFFLINE, detail="unplugged")
    assert list_reasons(make_stats(), offline) == []
    assert list_reasons(make_stats(state=SourceState.SILENT), outbox=(5, 10.0)) == []


@pytest.mark.parametrize(
    ("sources", "changes", "text"),
    [
        ([make_stats(state=SourceState.OFFLINE, detail="no microphone")], {}, "no audio: mic: no microphone"),
        ([make_stats(lag_s=9.0)], {}, "analysis lags: mic 9.0 s"),
        ([make_stats()], {"engine_alive": False}, "engine is not running"),
        ([make_stats()], {"outbox": (7, 900.0)}, "outbox stuck: 7 messages"),
        ([make_stats()], {"recorder_problem": "the disk is full"}, "the disk is full"),
        ([make_stats()], {"free_mb": 3}, "disk low: 3 MiB"),
        ([make_stats()], {"refused": [("t/n/b/event", "Not authorized")]}, "events on t/n/b/event: Not authorized"),
    ],
)
def test_each_problem_has_its_reason(sources: list[SourceStats], changes: dict[str, Any], text: str) -> None:
    """Each problem gives exactly one reason."""
    (reason,) = list_reasons(*sources, **changes)
    assert text in reason


def test_a_disabled_or_ended_source_is_not_a_problem() -> None:
    """No sound is expected from it."""
    assert list_reasons(make_stats(state=SourceState.DISABLED)) == []
    assert list_reasons(make_stats(state=SourceState.OFFLINE, finished=True)) == []


def test_an_ended_pipe_is_a_problem() -> None:
    """Unlike a recording, a pipe should not end; with another source the node is still ready."""
    ended = make_stats("pipe", state=SourceState.OFFLINE, detail="standard input has ended", finished=True, lost=True)
    assert list_reasons(ended) == ["no audio: pipe: standard input has ended"]
    assert list_reasons(ended, make_stats()) == []
