"""State of each source, and readiness of a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.api.records import SourceStatus
from edge.node.stream import round_scores
from edge.telemetry import is_up
from edge.types import SourceState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.node.stream import Stream
    from edge.types import SourceStats

_LAG_MAX_S = 3.0
_OUTBOX_STUCK_S = 300.0


def source_status(stream: Stream, labels: Sequence[str]) -> SourceStatus:
    """Return a source's state, figures and last scores."""
    stats, row = stream.runner.stats(), stream.latest
    age_s = stats.last_block_age_s
    return SourceStatus(
        name=stats.name,
        spec=stats.spec,
        state=stats.state,
        detail=stats.detail,
        device=stats.device,
        rate_hz=stats.rate_hz,
        samples=stats.samples_total,
        overflows=stats.overflows_total,
        gap_s=round(stats.gap_s_total, 3),
        clipped_s=round(stats.clipped_s_total, 3),
        silent_s=round(stats.silent_s, 1),
        last_audio_s=round(age_s, 3) if age_s < float("inf") else None,
        lag_s=round(stats.lag_s, 3),
        laeq=round(stream.pipeline.meter.read_current_db(), 1),
        scores={} if row is None else round_scores(labels, row),
    )


def not_ready(
    sources: Sequence[SourceStats],
    *,
    engine_alive: bool,
    outbox: tuple[int, float],
    recorder_problem: str,
    free_mb: int,
    min_free_mb: int,
    refused: Sequence[tuple[str, str]] = (),
) -> list[str]:
    """Return the reasons why a node is not ready, one per line.

    `outbox` is the number of messages that wait for the broker, and the oldest one's age in seconds; `refused` are the
    topics whose events the broker refuses, each with its reason.
    """
    reasons = []
    wanted = [
        source
        for source in sources
        if source.state is not SourceState.DISABLED and (source.lost or not source.finished)
    ]
    if wanted and not any(is_up(source.state) for source in wanted):
        reasons.append(
            "no audio: " + "; ".join(f"{source.name}: {source.detail or source.state.value}" for source in wanted)
        )
    if behind := [source for source in wanted if source.lag_s > _LAG_MAX_S]:
        reasons.append("analysis lags: " + ", ".join(f"{source.name} {source.lag_s:.1f} s" for source in behind))
    if not engine_alive:
        reasons.append("the engine is not running")
    waiting, oldest_s = outbox
    if waiting and oldest_s > _OUTBOX_STUCK_S:
        reasons.append(f"outbox stuck: {waiting} messages wait for the broker, the oldest for {oldest_s:.0f} s")
    reasons += [f"the broker refuses the events on {topic}: {why}" for topic, why in refused]
    if recorder_problem:
        reasons.append(recorder_problem)
    if free_mb < min_free_mb:
        reasons.append(f"disk low: {free_mb} MiB free, {min_free_mb} wanted (storage.min_free_mb)")
    return reasons
