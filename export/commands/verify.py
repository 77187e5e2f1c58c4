"""The forms of one network side by side: trained, folded, ONNX, 8 bits, TensorRT."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

import numpy as np

from export.commands.timing import side_by_side_ms
from export.graph.parity import change
from training.report.tables import Table, cell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edge.frontend.params import FrontEndParams
    from export.commands.labelled import LabelledSet, Network


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one form."""

    form: str
    change: float
    """Largest change of a probability on the golden recording."""
    ms: float
    """Median milliseconds of one decision."""
    mean_average_precision: float | None
    """On the labelled set, None without one."""


def compare_forms(
    forms: Mapping[str, Network],
    wanted: NDArray[np.float32],
    golden: NDArray[np.float32],
    one_decision: NDArray[np.float32],
    labelled: LabelledSet | None,
    *,
    streaming: bool,
) -> list[Row]:
    """Measure every form, in the order given.

    `wanted` holds the logits that each should give for `golden`; `one_decision` are the features of one live decision.
    """
    taken_ms = side_by_side_ms([functools.partial(network, one_decision) for network in forms.values()])
    rows = []
    for (name, network), ms in zip(forms.items(), taken_ms, strict=True):
        mean = None
        if labelled is not None:
            mean = labelled.mean_average_precision(labelled.scores(network, streaming=streaming))
        rows.append(Row(name, change(wanted, network(golden)), ms, mean))
    return rows


def forms_table(rows: Sequence[Row], absent: Mapping[str, str]) -> str:
    """Return the rows as a Markdown table, followed by a line for each form that is not there, and why."""
    cells = [[row.form, f"{row.change:.2g}", cell(row.mean_average_precision, 4), cell(row.ms)] for row in rows]
    lines = [Table(["form", "largest change of a probability", "mAP", "ms a decision"], cells).markdown()]
    lines.extend(f"{form}: absent ({why})" for form, why in absent.items())
    return "\n".join(lines)


def live_features(params: FrontEndParams, *, streaming: bool) -> NDArray[np.float32]:
    """Return the features of one live decision in silence, shape (1, frames, n_mels)."""
    frames = params.decision_frames if streaming else params.window_frames
    return np.full((1, frames, params.n_mels), params.silence, np.float32)
