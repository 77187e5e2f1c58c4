"""A tiny streaming bundle: it scores the level of the last two decisions' frames and keeps the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from edge.frontend.mel import log_mel
from tests.support.bundles import LABELS, PARAMS, make_band_weights, make_manifest, rewrite_manifest

if TYPE_CHECKING:
    from pathlib import Path

STEP, STATE_SIZE = PARAMS.decision_frames, PARAMS.n_mels
WAVEFORM = np.random.default_rng(3).normal(0, 0.05, 48_000).astype(np.float32)


def write_streaming_bundle(folder: Path, *, version: str = "1.0", labels: tuple[str, ...] = LABELS) -> Path:
    """Write a bundle: `gunshot` is loud high, `siren` loud low frequencies, as in the one for windows."""
    folder.mkdir(parents=True, exist_ok=True)
    network = _network(labels)
    onnx.checker.check_model(network)
    onnx.save(network, folder / "model.onnx")
    mel = log_mel(WAVEFORM, PARAMS)
    session = ort.InferenceSession(network.SerializeToString(), providers=["CPUExecutionProvider"])
    whole = mel[np.newaxis, : len(mel) // STEP * STEP]
    logits, _ = session.run(None, {"log_mel": whole, "state": np.zeros((1, STATE_SIZE), np.float32)})
    np.savez(folder / "golden.npz", waveform=WAVEFORM, mel=mel, logits=logits[0])
    manifest = make_manifest("tiny-streaming", version, labels)
    rewrite_manifest(folder, {**manifest, "network": "streaming", "state_size": STATE_SIZE})
    return folder


def _network(labels: tuple[str, ...]) -> onnx.ModelProto:
    weights, bias = make_band_weights(labels)
    constants = {
        "by_decision": np.array([0, -1, STEP, PARAMS.n_mels]),
        "alone": np.array([0, 1, PARAMS.n_mels]),
        "flat": np.array([0, PARAMS.n_mels]),
        "first": np.array([0]),
        "second": np.array([1]),
        "last": np.array([-1]),
        "end": np.array([2**31]),
        "frame_axis": np.array([2]),
        "half": np.float32(0.5),
        "weights": weights,
        "bias": bias,
    }
    nodes = [
        ("Reshape", ["log_mel", "by_decision"], "decisions"),
        ("ReduceMean", ["decisions", "frame_axis"], "means"),
        ("Reshape", ["state", "alone"], "before"),
        ("Concat", ["before", "means"], "joined"),
        ("Slice", ["joined", "first", "last", "second"], "older"),
        ("Slice", ["joined", "last", "end", "second"], "newest"),
        ("Add", ["older", "means"], "sum"),
        ("Mul", ["sum", "half"], "smooth"),
        ("MatMul", ["smooth", "weights"], "product"),
        ("Add", ["product", "bias"], "logits"),
        ("Reshape", ["newest", "flat"], "state_out"),
    ]
    options: dict[str, Any] = {"ReduceMean": {"keepdims": 0}, "Concat": {"axis": 1}}
    shapes: dict[str, list[int | str | None]] = {
        "log_mel": ["batch", "frames", PARAMS.n_mels],
        "state": ["batch", STATE_SIZE],
        "logits": ["batch", "decisions", len(labels)],
        "state_out": ["batch", STATE_SIZE],
    }
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    graph = helper.make_graph(
        [helper.make_node(kind, inputs, [output], **options.get(kind, {})) for kind, inputs, output in nodes],
        "tiny",
        values[:2],
        values[2:],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
