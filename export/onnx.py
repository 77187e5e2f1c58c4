"""A network written as ONNX, checked, and run for comparison."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from edge.frontend.params import FrontEndParams

OPSET = 17
"""Known to ONNX Runtime 1.13 and TensorRT 8.6, the oldest that a Jetson of today runs."""
INPUT, OUTPUT = "log_mel", "logits"


def to_onnx(model: nn.Module, params: FrontEndParams) -> bytes:
    """Return a folded network as an ONNX file: log_mel (batch, frames, mels) → logits (batch, labels), any batch.

    The file is checked, its shapes are inferred. The weights of `model` are taken as they are.
    """
    example = torch.zeros(2, params.window_frames, params.n_mels)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # The exporter by tracing needs no further package, its successor does; both write these few operators alike.
        warnings.simplefilter("ignore")
        target = Path(folder) / "model.onnx"
        torch.onnx.export(
            model.eval().to(memory_format=torch.contiguous_format),  # type: ignore[call-overload] # not in its types
            (example,),
            target,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: "batch"}, OUTPUT: {0: "batch"}},
            opset_version=OPSET,
            dynamo=False,
        )
        graph = onnx.load(target)
    onnx.checker.check_model(graph, full_check=True)
    return bytes(onnx.shape_inference.infer_shapes(graph, strict_mode=True).SerializeToString())


def run_onnx(network: Path | bytes, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the logits, shape (n, labels), that ONNX Runtime computes on one processor thread."""
    (logits,) = session(network).run([OUTPUT], {INPUT: np.ascontiguousarray(features, np.float32)})
    return np.asarray(logits, np.float32)


def session(network: Path | bytes) -> ort.InferenceSession:
    """Open a network on the processor with one thread, as a device does."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    source = network if isinstance(network, bytes) else str(network)
    return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def run_torch(model: nn.Module, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the logits, shape (n, labels), that PyTorch computes."""
    with torch.inference_mode():
        return np.asarray(model.eval()(torch.from_numpy(features)).numpy(), np.float32)
