"""The speed of bundles on this machine, beside published figures of others."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

import numpy as np

from export.compare.timing import time_jobs_ms
from export.graph.cost import Cost, count_cost
from export.graph.onnx import INPUT, STATE, get_state_size, open_session
from training.report.tables import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from export.compare.source import Source


@dataclasses.dataclass(frozen=True, slots=True)
class PublishedCost:
    """The published cost of another network.

    It excludes features, as for ours.
    """

    name: str
    parameters_m: float
    macs_m: float
    """Millions of multiplications for `heard_s` of sound."""
    heard_s: float


PUBLISHED = (
    PublishedCost("YAMNet (tensorflow/models)", 3.73, 69.2, 0.96),
    PublishedCost("EfficientAT mn04_as (Schmid et al. 2023)", 0.983, 110.0, 10.0),
)
"""Multiplications and mn04's parameters are from their READMEs, YAMNet's parameters from its layers; mn04's count is
for 10 s, the length of its training clips. Patches are laid end to end: YAMNet's own overlap of a half doubles its
cost."""


_COLUMNS = (
    *("network", "parameters", "nodes", "MACs a decision", "MACs a second"),
    *("ms a decision", "ms a second, live", "ms a second, at once"),
)


@dataclasses.dataclass(frozen=True, slots=True)
class MeasuredCost:
    """A bundle's cost, and its milliseconds on one thread, without features."""

    source: Source
    cost: Cost
    decision_ms: float
    """One live decision."""
    second_ms: float
    """The decisions of a second of sound, one after the other as in live operation."""
    at_once_ms: float
    """The same second in one call, as for a recorded clip."""


def time_networks(sources: Sequence[Source]) -> list[MeasuredCost]:
    """Time all networks side by side, all of them in every round."""
    jobs = []
    for source in sources:
        opened, params = open_session(source.network), source.params
        one = source.make_live_features()
        decisions = round(params.frames_per_s / params.decision_frames)
        second = np.concatenate([one] * decisions, axis=1 if source.streaming else 0)
        state = {STATE: np.zeros((1, get_state_size(opened)), np.float32)} if source.streaming else {}
        jobs += [functools.partial(opened.run, None, {INPUT: features, **state}) for features in (one, second)]
    taken_ms = time_jobs_ms(jobs)
    return [
        MeasuredCost(
            source,
            count_cost(source.network, source.params),
            one_ms,
            one_ms * source.params.frames_per_s / source.params.decision_frames,
            at_once_ms,
        )
        for source, one_ms, at_once_ms in zip(sources, taken_ms[::2], taken_ms[1::2], strict=True)
    ]


def tabulate_speed(rows: Sequence[MeasuredCost]) -> str:
    """Return a Markdown table of the bundles, then the published networks."""
    lines = []
    for row in rows:
        counted = row.cost
        size, each = f"{counted.parameters / 1e6:.3f} M", f"{counted.macs / 1e6:.2f} M"
        steady = f"{counted.macs_per_s(row.source.params) / 1e6:.1f} M"
        times = [f"{ms:.3f}" for ms in (row.decision_ms, row.second_ms, row.at_once_ms)]
        lines.append([row.source.name, size, str(counted.nodes), each, steady, *times])
    for other in PUBLISHED:
        each, steady = f"{other.macs_m:g} M for {other.heard_s:g} s", f"{other.macs_m / other.heard_s:.1f} M"
        lines.append([other.name, f"{other.parameters_m:g} M", "-", each, steady, "-", "-", "-"])
    return Table(_COLUMNS, lines).to_markdown()
