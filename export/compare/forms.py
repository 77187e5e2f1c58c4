"""Forms of one network: trained, folded, ONNX, 8 bits, TensorRT."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from edge.errors import Unavailable
from export.compare.recordings import quantize_for_tensorrt
from export.compare.source import INT8
from export.compare.timing import time_jobs_ms
from export.graph import tensorrt as trt
from export.graph.fold import fold
from export.graph.onnx import open_session, run_onnx, run_torch
from export.graph.parity import find_largest_change
from training.report.tables import Table, format_cell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from export.compare.labelled import LabelledSet, Network
    from export.compare.source import Source


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """Measurements of one form."""

    form: str
    change: float
    """Largest change of a probability on the golden recording."""
    ms: float
    """Median milliseconds of one decision."""
    mean_average_precision: float | None
    """Mean average precision on the labelled set, None without one."""


@dataclasses.dataclass(frozen=True, slots=True)
class Places:
    """Folders that forms are made from and stored in."""

    data: Path | None
    """Recordings, or None."""
    cache: Path
    """Features of the recordings."""
    engines: Path
    """TensorRT engines."""


def open_forms(source: Source, places: Places) -> tuple[dict[str, Network], dict[str, str]]:
    """Return the available forms, and the reasons why others are absent."""
    forms: dict[str, Network] = {}
    absent: dict[str, str] = {}
    if source.checkpoint is None:
        absent["torch, folded"] = "a bundle holds no PyTorch network: name its checkpoint first"
    else:
        forms["torch"] = functools.partial(run_torch, source.checkpoint.model)
        forms["folded"] = functools.partial(run_torch, fold(source.checkpoint.model))
    forms["ONNX"] = functools.partial(run_onnx, open_session(source.network))
    if source.int8 is None:
        absent["int8"] = f"no {INT8} in {source.folder}: 'python -m export int8' writes one where it pays"
    else:
        forms["int8"] = functools.partial(run_onnx, open_session(source.int8))
    for precision in ("fp16", "int8"):
        try:
            forms[f"TensorRT {precision}"] = _open_engine(source, precision, places).compute_logits
        except Unavailable as exc:
            absent[f"TensorRT {precision}"] = str(exc)
    return forms, absent


def _open_engine(source: Source, precision: str, places: Places) -> trt.Engine:
    package, gpu = trt.require_tensorrt()
    if precision == "int8" and (source.checkpoint is None or places.data is None):
        msg = "its scales come from training clips"
        raise Unavailable(msg, remedy="name the checkpoint, and --data")
    network = quantize_for_tensorrt(source, places.data, places.cache) if precision == "int8" else source.network
    path = trt.open_engine(network, source.params, precision, places.engines, package=package, gpu=gpu)
    return trt.Engine(path.read_bytes(), source.params, package)


def compare_forms(
    forms: Mapping[str, Network],
    wanted: NDArray[np.float32],
    golden: NDArray[np.float32],
    source: Source,
    labelled: LabelledSet | None,
) -> list[Row]:
    """Measure every form of a source, in the order given.

    `wanted` holds the expected logits for `golden`.
    """
    one_decision = source.make_live_features()
    taken_ms = time_jobs_ms([functools.partial(network, one_decision) for network in forms.values()])
    rows = []
    for (name, network), ms in zip(forms.items(), taken_ms, strict=True):
        mean = None
        if labelled is not None:
            mean = labelled.mean_average_precision(labelled.scores(network, streaming=source.streaming))
        rows.append(Row(name, find_largest_change(wanted, network(golden)), ms, mean))
    return rows


def tabulate_forms(rows: Sequence[Row], absent: Mapping[str, str]) -> str:
    """Return the rows as a Markdown table.

    A line with the reason follows for each absent form.
    """
    cells = [
        [row.form, f"{row.change:.2g}", format_cell(row.mean_average_precision, 4), format_cell(row.ms)] for row in rows
    ]
    lines = [Table(["form", "largest change of a probability", "mAP", "ms a decision"], cells).to_markdown()]
    lines.extend(f"{form}: absent ({why})" for form, why in absent.items())
    return "\n".join(lines)
