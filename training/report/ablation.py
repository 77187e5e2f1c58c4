"""The table of an ablation."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

from training.report.tables import Table, format_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Runs = Mapping[str, Mapping[str, float | None]]


def tabulate_ablation(results: Mapping[str, Runs], recipe: str) -> Table:
    """Return the table of an ablation, a row per variant.

    It has each label's AP and the loss against the variant `recipe`, seed by seed. Figures are means over seeds; the
    mean AP is followed by its standard deviation over them.
    """
    labels = list(dict.fromkeys(label for runs in results.values() for run in runs.values() for label in run))
    whole = {seed: _mean(run.values()) for seed, run in results.get(recipe, {}).items()}
    rows = []
    for name, runs in results.items():
        means = {seed: _mean(run.values()) for seed, run in runs.items()}
        shared = [mean - whole[seed] for seed, mean in means.items() if seed in whole and name != recipe]
        each = [_mean(run.get(label) for run in runs.values()) for label in labels]
        spread = f" ± {statistics.stdev(means.values()):.3f}" if len(means) > 1 else ""
        against = f"{_mean(shared):+.3f}" if shared else "-"
        cells = ["-" if math.isnan(value) else format_cell(value) for value in each]
        rows.append([name, str(len(runs)), f"{_mean(means.values()):.3f}{spread}", against, *cells])
    return Table(["variant", "seeds", "mean AP", "against the recipe", *labels], rows)


def _mean(values: Iterable[float | None]) -> float:
    """Return the mean of the known values; NaN without one."""
    have = [value for value in values if value is not None]
    return statistics.fmean(have) if have else float("nan")
