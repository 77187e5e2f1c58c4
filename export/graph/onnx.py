"""ONNX files of networks: writing, checking, and running for comparison."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch import Tensor, nn

from export.graph.simplify import simplify
from training.models.streamnet import Streaming

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.frontend.params import FrontEndParams

    Floats = NDArray[np.float32]

OPSET = 17
"""Operator set known to ONNX Runtime 1.13 and TensorRT 8.6, the oldest on current Jetsons."""
INPUT, OUTPUT = "log_mel", "logits"
STATE, STATE_OUT = "state", "state_out"
"""Input and output of a streaming network only: the state of each stream, before and after."""
_BATCH = 64
_EXAMPLE_DECISIONS = 3


class _Sequence(nn.Module):
    """A streaming network with its `sequence` as `forward`, for the exporter."""

    def __init__(self, network: Streaming) -> None:
        super().__init__()
        self.network = network

    def forward(self, log_mel: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return self.network.sequence(log_mel, state)


def to_onnx(model: nn.Module, params: FrontEndParams) -> bytes:
    """Return a folded network as an ONNX file, for any batch size.

    A window network maps log_mel (batch, window_frames, mels) to logits (batch, labels). A streaming network maps
    log_mel (batch, decision_frames * k, mels) and state (batch, state_size) to logits (batch, k, labels) and state_out.
    The file is checked, constants are folded and shapes are written; weights do not change.
    """
    model = model.eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload] # not in its types
    if isinstance(model, Streaming):
        frames = _EXAMPLE_DECISIONS * params.decision_frames
        graph = _trace(
            _Sequence(model).eval(),
            {INPUT: torch.zeros(2, frames, params.n_mels), STATE: torch.zeros(2, model.state_size)},
            {OUTPUT: {0: "batch", 1: "decisions"}, STATE_OUT: {0: "batch"}},
            {INPUT: {0: "batch", 1: "frames"}, STATE: {0: "batch"}},
        )
        graph.graph.output[1].type.CopyFrom(graph.graph.input[1].type)  # the tracer does not infer the batch
    else:
        example = {INPUT: torch.zeros(2, params.window_frames, params.n_mels)}
        graph = _trace(model, example, {OUTPUT: {0: "batch"}}, {INPUT: {0: "batch"}})
    graph = simplify(graph)
    onnx.checker.check_model(graph, full_check=True)
    return bytes(graph.SerializeToString())


def _trace(
    model: nn.Module, inputs: dict[str, Tensor], outputs: dict[str, dict[int, str]], axes: dict[str, dict[int, str]]
) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # The tracing exporter needs no further package, unlike its successor; both write these operators alike.
        warnings.simplefilter("ignore")
        target = Path(folder) / "model.onnx"
        torch.onnx.export(
            model,
            tuple(inputs.values()),
            target,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={**axes, **outputs},
            opset_version=OPSET,
            dynamo=False,
        )
        return onnx.load(target)


def open_session(network: Path | bytes) -> ort.InferenceSession:
    """Open a network on the processor with one thread, as a device does."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    source = network if isinstance(network, bytes) else str(network)
    return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def get_state_size(opened: ort.InferenceSession) -> int:
    """Return the size of a stream's state, 0 for a window network."""
    return next((int(node.shape[1]) for node in opened.get_inputs() if node.name == STATE), 0)


def run_onnx(network: Path | bytes | ort.InferenceSession, features: Floats) -> Floats:
    """Return the logits, (decisions, labels), of ONNX Runtime on one thread.

    `features` are windows, shape (decisions, window_frames, mels), or one sequence that begins a stream, shape (1,
    decision_frames * decisions, mels).
    """
    opened = network if isinstance(network, ort.InferenceSession) else open_session(network)
    if size := get_state_size(opened):
        return run_pieces(opened, [features], np.zeros((len(features), size), np.float32))
    parts = [opened.run([OUTPUT], {INPUT: features[at : at + _BATCH]})[0] for at in range(0, len(features), _BATCH)]
    return np.concatenate(parts)


def run_pieces(opened: ort.InferenceSession, pieces: list[Floats], state: Floats) -> Floats:
    """Return the logits, (decisions, labels), of a stream run piece by piece.

    Each piece has the shape (1, frames, mels).
    """
    rows = []
    for piece in pieces:
        logits, state = opened.run([OUTPUT, STATE_OUT], {INPUT: piece, STATE: state})
        rows.append(logits[0])
    return np.concatenate(rows)


@torch.inference_mode()
def run_torch(model: nn.Module, features: Floats) -> Floats:
    """Return the logits, (decisions, labels), of PyTorch.

    `features` are those of `run_onnx`.
    """
    model, x = model.eval(), torch.from_numpy(features)
    if isinstance(model, Streaming):
        logits, _ = model.sequence(x, torch.zeros(len(x), model.state_size))
        return np.asarray(logits[0].numpy(), np.float32)
    return np.concatenate([model(x[at : at + _BATCH]).numpy() for at in range(0, len(x), _BATCH)])
