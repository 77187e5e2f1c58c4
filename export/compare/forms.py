"""The forms of one network side by side: trained, folded, ONNX, 8 bits, TensorRT."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from edge.errors import Unavailable
from export.compare.recordings import quantize_for_tensorrt
from export.compare.source import INT8
from export.compare.timing import side_by_side_ms
from export.graph import tensorrt as trt
from export.graph.fold import folded
from export.graph.onnx import run_onnx, run_torch, session
from export.graph.parity import change
from training.report.tables import Table, cell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from export.compare.labelled import LabelledSet, Network
    from export.compare.source import Source


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


@dataclasses.dataclass(frozen=True, slots=True)
class Places:
    """Folders that forms are made from and kept in."""

    data: Path | None
    """Recordings, None without."""
    cache: Path
    """Their features."""
    engines: Path
    """TensorRT engines."""


def forms_of(source: Source, places: Places) -> tuple[dict[str, Network], dict[str, str]]:
    """Return the forms that are there, and why the others are not."""
    forms: dict[str, Network] = {}
    absent: dict[str, str] = {}
    if source.checkpoint is None:
        absent["torch, folded"] = "a bundle holds no PyTorch network: name its checkpoint first"
    else:
        forms["torch"] = functools.partial(run_torch, source.checkpoint.model)
        forms["folded"] = functools.partial(run_torch, folded(source.checkpoint.model))
    forms["ONNX"] = functools.partial(run_onnx, session(source.network))
    if source.int8 is None:
        absent["int8"] = f"no {INT8} in {source.folder}: 'python -m export int8' writes one where it pays"
    else:
        forms["int8"] = functools.partial(run_onnx, session(source.int8))
    for precision in ("fp16", "int8"):
        try:
            forms[f"TensorRT {precision}"] = _engine(source, precision, places).logits
        except Unavailable as exc:
            absent[f"TensorRT {precision}"] = str(exc)
    return forms, absent


def _engine(source: Source, precision: str, places: Places) -> trt.Engine:
    package, gpu = trt.require()
    if precision == "int8" and (source.checkpoint is None or places.data is None):
        msg = "its scales come from training clips"
        raise Unavailable(msg, remedy="name the checkpoint, and --data")
    network = quantize_for_tensorrt(source, places.data, places.cache) if precision == "int8" else source.network
    path = trt.engine_of(network, source.params, precision, places.engines, package=package, gpu=gpu)
    return trt.Engine(path.read_bytes(), source.params, package)


def compare_forms(
    forms: Mapping[str, Network],
    wanted: NDArray[np.float32],
    golden: NDArray[np.float32],
    source: Source,
    labelled: LabelledSet | None,
) -> list[Row]:
    """Measure every form of a source, in the order given; `wanted` holds the logits that each gives for `golden`."""
    one_decision = source.live_features()
    taken_ms = side_by_side_ms([functools.partial(network, one_decision) for network in forms.values()])
    rows = []
    for (name, network), ms in zip(forms.items(), taken_ms, strict=True):
        mean = None
        if labelled is not None:
            mean = labelled.mean_average_precision(labelled.scores(network, streaming=source.streaming))
        rows.append(Row(name, change(wanted, network(golden)), ms, mean))
    return rows


def forms_table(rows: Sequence[Row], absent: Mapping[str, str]) -> str:
    """Return the rows as a Markdown table, followed by a line for each form that is not there, and why."""
    cells = [[row.form, f"{row.change:.2g}", cell(row.mean_average_precision, 4), cell(row.ms)] for row in rows]
    lines = [Table(["form", "largest change of a probability", "mAP", "ms a decision"], cells).markdown()]
    lines.extend(f"{form}: absent ({why})" for form, why in absent.items())
    return "\n".join(lines)
