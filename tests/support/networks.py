"""Small networks with the statistics of trained ones, of both kinds, window and streaming."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from edge.frontend.params import FrontEndParams
from tests.support.recordings import LABELS
from training.checkpoint import Checkpoint
from training.config import ModelConfig, Stage, load_config
from training.measure.calibration import Calibration
from training.measure.evaluation import Evaluation
from training.models import build_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

PARAMS = FrontEndParams()
MODELS = {
    "window": ModelConfig(name="resnet", stem=8, head=16, stages=(Stage(8, 1, 2, 2, residual=False), Stage(8, 2))),
    "streaming": ModelConfig(name="streamnet", stem=8, stages=(Stage(8, 2, 2, 2),), tower=16, kernels=(3, 5), head=16),
}
FIGURES: dict[str, dict[str, float]] = {label: defaultdict(lambda: 0.5) for label in LABELS}
EVALUATION = Evaluation(
    Calibration(np.ones(len(LABELS)), np.zeros(len(LABELS))), {label: {"on": 0.6} for label in LABELS}, FIGURES
)
"""Figures for a card, the same for every label."""


def make_trained_model(config: ModelConfig, labels: int = len(LABELS)) -> nn.Module:
    """Return a network with random norm statistics and random weights."""
    torch.manual_seed(7)
    model = build_model(config, PARAMS.n_mels, labels)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 1e-4, 2.0)  # eps counts beside 1e-4
    return model.eval()


def make_small_checkpoint(kind: str) -> Checkpoint:
    """Return a checkpoint of a network of `kind` with `LABELS` and the settings of the small recipe."""
    config = dataclasses.replace(load_config(Path(__file__).with_name("small.toml")), model=MODELS[kind])
    return Checkpoint(make_trained_model(MODELS[kind]), config, PARAMS, LABELS, 9)


def sequence(decisions: int, seed: int = 1) -> NDArray[np.float32]:
    """Return features, shape (1, frames, n_mels), in the range of the front end."""
    shape = (1, decisions * PARAMS.decision_frames, PARAMS.n_mels)
    return np.random.default_rng(seed).uniform(PARAMS.silence, 2.0, shape).astype(np.float32)
