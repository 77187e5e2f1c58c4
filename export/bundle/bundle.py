"""Bundles: the network with everything that a device needs to run it."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.inference.bundle import EVENTS, FORMAT, GOLDEN, MANIFEST, MODEL, STREAMING, WINDOW
from edge.jsontext import dumps
from export.bundle.card import render_model_card
from export.bundle.golden import compute_golden_features, cut_golden_waveform
from export.graph.fold import fold
from export.graph.onnx import run_onnx, to_onnx
from export.graph.parity import Parity, compare_networks
from training.models.streamnet import Streaming

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import nn

    from export.bundle.about import About
    from training.checkpoint import Checkpoint
    from training.measure.evaluation import Evaluation

    Card = Callable[[Mapping[str, Any], Checkpoint, str], str]

CARD = "MODEL_CARD.md"


def write_bundle(
    checkpoint: Checkpoint,
    evaluation: Evaluation,
    about: About,
    out: Path,
    *,
    task: str = EVENTS,
    card: Card = render_model_card,
) -> Parity:
    """Write the bundle of a checkpoint to `out`; return the differences of the export.

    `card` writes the model card from the manifest, the checkpoint and `about.notes`. The manifest is written last, so
    an interrupted bundle is refused by its reader. Raises `DataError` when the exported network does not compute what
    the trained one does.
    """
    params = checkpoint.params
    network = to_onnx(fold(checkpoint.model), params)
    waveform = cut_golden_waveform(about.golden, params.sample_rate_hz)
    streaming = isinstance(checkpoint.model, Streaming)
    mel, features = compute_golden_features(waveform, params, streaming=streaming)
    parity = compare_networks(checkpoint.model, network, features)
    parity.check()
    out.mkdir(parents=True, exist_ok=True)
    (out / MANIFEST).unlink(missing_ok=True)
    (out / MODEL).write_bytes(network)
    np.savez_compressed(out / GOLDEN, waveform=waveform, mel=mel, logits=run_onnx(network, features))
    manifest = _manifest(checkpoint, evaluation, about, task)
    (out / CARD).write_text(card(manifest, checkpoint, about.notes), encoding="utf-8")
    manifest["sha256"] = {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in (MODEL, GOLDEN, CARD)}
    (out / MANIFEST).write_text(dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return parity


def _manifest(checkpoint: Checkpoint, evaluation: Evaluation, about: About, task: str) -> dict[str, Any]:
    calibration = evaluation.calibration
    return {
        "format": FORMAT,
        "id": about.id,
        "version": about.version,
        "task": task,
        **_network(checkpoint.model),
        "labels": list(checkpoint.labels),
        "frontend": checkpoint.params.to_dict(),
        "calibration": {
            "scale": [round(float(value), 4) for value in calibration.scale],
            "bias": [round(float(value), 4) for value in calibration.bias],
        },
        "thresholds": {
            # a device decides on a short sound by one window, and smooths the scores of others
            label: {**pair, "impulsive": True} if label in checkpoint.config.data.impulsive else dict(pair)
            for label, pair in evaluation.thresholds.items()
        },
        "measured": evaluation.figures,
        "training_data": about.training_data,
        "licence": about.licence,
        "created": dt.datetime.now(dt.timezone.utc).date().isoformat(),
        "golden_tolerance": {"mel": 1e-3, "logits": 1e-2},
    }


def _network(model: nn.Module) -> dict[str, Any]:
    if isinstance(model, Streaming):
        return {"network": STREAMING, "state_size": model.state_size}
    return {"network": WINDOW}
