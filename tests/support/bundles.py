"""A tiny model bundle, whose scores follow from the level of the newest frames."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from edge.frontend.mel import log_mel
from edge.frontend.params import FrontEndParams

if TYPE_CHECKING:
    from pathlib import Path

LABELS = ("background", "gunshot", "siren")
PARAMS = FrontEndParams()


def write_bundle(
    folder: Path, *, bundle_id: str = "tiny", version: str = "1.0", labels: tuple[str, ...] = LABELS
) -> Path:
    """Write a bundle: `gunshot` is loud high, `siren` loud low frequencies, in the last eight frames."""
    folder.mkdir(parents=True, exist_ok=True)
    weights, bias = make_band_weights(labels)
    frames = PARAMS.window_frames
    initializers = [
        numpy_helper.from_array(weights, "weights"),
        numpy_helper.from_array(bias, "bias"),
        numpy_helper.from_array(np.array([frames - 8], np.int64), "from"),
        numpy_helper.from_array(np.array([frames], np.int64), "to"),
        numpy_helper.from_array(np.array([1], np.int64), "axis"),
    ]
    graph = helper.make_graph(
        [
            helper.make_node("Slice", ["log_mel", "from", "to", "axis"], ["newest"]),
            helper.make_node("ReduceMean", ["newest", "axis"], ["mean"], keepdims=0),
            helper.make_node("MatMul", ["mean", "weights"], ["product"]),
            helper.make_node("Add", ["product", "bias"], ["logits"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("log_mel", TensorProto.FLOAT, ["batch", frames, PARAMS.n_mels])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(labels)])],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, folder / "model.onnx")
    waveform = np.random.default_rng(3).normal(0, 0.05, 48_000).astype(np.float32)
    mel = log_mel(waveform, PARAMS)
    windows = np.lib.stride_tricks.sliding_window_view(mel, frames, axis=0)[:: PARAMS.decision_frames].swapaxes(1, 2)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"log_mel": np.ascontiguousarray(windows)})
    np.savez(folder / "golden.npz", waveform=waveform, mel=mel, logits=logits)
    rewrite_manifest(folder, make_manifest(bundle_id, version, labels))
    return folder


def make_manifest(bundle_id: str, version: str, labels: tuple[str, ...]) -> dict[str, Any]:
    """Return the manifest of a network with weights set by hand."""
    return {
        "format": 1,
        "id": bundle_id,
        "version": version,
        "labels": list(labels),
        "frontend": PARAMS.to_dict(),
        "calibration": {"scale": [1.0] * len(labels), "bias": [0.0] * len(labels)},
        "thresholds": {label: {"on": 0.6, "off": 0.3} for label in labels if label != "background"},
        "measured": {},
        "training_data": "none: weights written by hand",
        "licence": "Apache-2.0",
        "created": "2026-01-01",
        "golden_tolerance": {"mel": 1e-3, "logits": 1e-2},
    }


def make_band_weights(labels: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return weights, shape (n_mels, labels), and bias for the level of high and low bands."""
    weights = np.zeros((PARAMS.n_mels, len(labels)), np.float32)
    bias = np.full(len(labels), -4.0, np.float32)
    for i, label in enumerate(labels):
        if label in ("gunshot", "siren"):
            band = slice(40, 64) if label == "gunshot" else slice(8, 32)
            weights[band, i] = 24.0 / (band.stop - band.start)
            bias[i] = -4.8
    return weights, bias


def rewrite_manifest(folder: Path, values: dict[str, Any]) -> None:
    """Write the manifest with the sha256 of the current files."""
    sums = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("model.onnx", "golden.npz")}
    (folder / "manifest.json").write_text(json.dumps({**values, "sha256": sums}), encoding="utf-8")


def change_manifest(folder: Path, **changes: Any) -> None:
    """Change top-level values of a bundle's manifest."""
    values = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    values.update(changes)
    (folder / "manifest.json").write_text(json.dumps(values), encoding="utf-8")
