"""Timing of several jobs side by side."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_IN_A_ROW = 10
"""Runs of a job in a row: enough for its data to be in the processor's cache again."""


def time_jobs_ms(jobs: Sequence[Callable[[], object]], rounds: int = 30) -> list[float]:
    """Return the median milliseconds of each job, after a warm-up round.

    The jobs take turns in every round, so that other load on the machine affects all of them alike.
    """
    times: list[list[float]] = [[] for _ in jobs]
    for round_ in range(rounds + 1):
        for job, taken in zip(jobs, times, strict=True):
            for _ in range(_IN_A_ROW):
                begin = time.perf_counter()
                job()
                if round_:
                    taken.append(time.perf_counter() - begin)
    return [1e3 * statistics.median(taken) for taken in times]
