"""Folding and ONNX change nothing that can be heard."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from edge.frontend.params import FrontEndParams
from export.fold import fold_pair, folded
from export.onnx import INPUT, OUTPUT, run_onnx, run_torch, session, to_onnx
from export.parity import Parity, compare
from training.config import ModelConfig, Stage
from training.models import build_model

PARAMS = FrontEndParams()
STAGES = {
    "resnet": (Stage(8, 1, 2, 2, residual=False), Stage(8, 2), Stage(12, 1, 1, 2)),
    "mobilenet": (Stage(8, 1, 2, 2), Stage(8, 2, expand=3), Stage(12, 1, 1, 2, expand=4)),
}


def trained(name: str) -> nn.Module:
    """Return a network whose norms have seen data and whose weights are far from their start."""
    torch.manual_seed(7)
    model = build_model(ModelConfig(name=name, stem=8, head=16, stages=STAGES[name]), PARAMS.n_mels, 5)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.2, 2.0)
            nn.init.uniform_(module.bias, -1.0, 1.0)
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 1e-4, 2.0)  # eps counts beside 1e-4
    return model.eval()


@pytest.fixture
def features() -> np.ndarray:
    """Return a few windows in the range of the front end."""
    shape = (5, PARAMS.window_frames, PARAMS.n_mels)
    return np.random.default_rng(1).uniform(PARAMS.silence, 2.0, shape).astype(np.float32)


@pytest.mark.parametrize("name", STAGES)
def test_folding_and_onnx_keep_the_probabilities(name: str, features: np.ndarray) -> None:
    """Both stay within 1e-5 of the trained network, for every architecture of the registry."""
    model = trained(name)
    parity = compare(model, to_onnx(folded(model), PARAMS), features)
    parity.check()
    assert max(parity.folded, parity.onnx) <= 1e-5


@pytest.mark.parametrize("name", STAGES)
def test_no_norm_is_left_and_the_trained_network_stays(name: str, features: np.ndarray) -> None:
    """The folded copy has fewer parameters and no batch norm; the original still has its own."""
    model = trained(name)
    before = run_torch(model, features)
    copy = folded(model)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in copy.modules())
    assert sum(w.numel() for w in copy.parameters()) < sum(w.numel() for w in model.parameters())
    assert np.array_equal(run_torch(model, features), before)


def test_a_small_variance_needs_the_eps() -> None:
    """With a variance of the size of eps, the fold is right only if eps is in it."""
    torch.manual_seed(1)
    conv, norm = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3, eps=1e-3)
    norm.running_var.fill_(1e-3)
    x = torch.randn(1, 2, 5, 5)
    assert torch.allclose(fold_pair(conv, norm.eval())(x), norm(conv(x)), atol=1e-4)


def test_a_norm_without_its_convolution_is_refused() -> None:
    """What cannot be folded is said, not shipped."""
    with pytest.raises(ValueError, match="cannot be folded"):
        folded(nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3)))


def test_the_batch_is_free_and_the_names_are_those_of_the_service(features: np.ndarray) -> None:
    """One file for every batch size, with the input and output that the service asks for."""
    network = to_onnx(folded(trained("resnet")), PARAMS)
    opened = session(network)
    assert [(node.name, node.shape[1:]) for node in opened.get_inputs()] == [(INPUT, [96, 64])]
    assert [(node.name, node.shape[1:]) for node in opened.get_outputs()] == [(OUTPUT, [5])]
    alone = np.concatenate([run_onnx(network, window[None]) for window in features])
    assert np.allclose(alone, run_onnx(network, features), atol=1e-5)


def test_the_network_holds_no_norm_and_no_training_node() -> None:
    """The graph is made of what every runtime has."""
    graph = onnx.load_from_string(to_onnx(folded(trained("resnet")), PARAMS)).graph
    kinds = {node.op_type for node in graph.node}
    assert not kinds & {"BatchNormalization", "Dropout"}
    assert "Conv" in kinds


def test_beyond_the_limit_is_refused() -> None:
    """A difference that could be heard stops the export and is named."""
    with pytest.raises(ValueError, match=r"ONNX by 0\.1"):
        Parity(0.0, 0.1).check()
