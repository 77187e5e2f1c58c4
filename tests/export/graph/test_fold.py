"""Folding and ONNX keep the probabilities."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import soundfile
import torch
from torch import nn

from edge.claps.crop import CLAP_FRONT_END
from edge.data import street_path
from edge.errors import DataError
from edge.frontend.mel import log_mel
from edge.frontend.params import FrontEndParams
from export.graph.fold import fold, fold_pair
from export.graph.onnx import INPUT, OUTPUT, open_session, run_onnx, run_torch, to_onnx
from export.graph.parity import Parity, compare_networks
from training.config import ModelConfig, Stage
from training.models import REGISTRY, build_model
from training.models.blocks import MelNorm, SumNorm
from training.models.streamnet import Streaming

if TYPE_CHECKING:
    from numpy.typing import NDArray

PARAMS = FrontEndParams()
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
STAGES = (Stage(8, 1, 2, 2, residual=False), Stage(8, 2, expand=3), Stage(12, 1, 1, 2, expand=4))
SMALL = ModelConfig(stem=8, head=16, stages=STAGES, tower=16)


def make_params(name: str) -> FrontEndParams:
    return CLAP_FRONT_END if name == "onset" else PARAMS


def make_features(name: str, model: nn.Module) -> NDArray[np.float32]:
    """Return windows, or one sequence for a streaming network: some at random, some of the street recording."""
    params, rng = make_params(name), np.random.default_rng(1)
    shape = (2 * params.window_frames, params.n_mels)
    samples, _ = soundfile.read(street_path(), dtype="float32", frames=10 * params.sample_rate_hz)
    mel = log_mel(samples, params)[-shape[0] :]
    frames = np.concatenate((rng.uniform(params.silence, 2.0, shape).astype(np.float32), mel))
    return frames[np.newaxis] if isinstance(model, Streaming) else frames.reshape(-1, params.window_frames, shape[1])


def trained(name: str) -> nn.Module:
    """Return a network whose norms are far from their initial values, some with variances near eps.

    Kernels of all sizes give the norms small and large variances; the statistics are those of some features, as
    anything else would drive a deep network to infinity, and are then moved away from them. Its logits differ by 4 from
    window to window.
    """
    torch.manual_seed(7)
    model = build_model(dataclasses.replace(SMALL, name=name), make_params(name).n_mels, 5)
    norms = [module for module in model.modules() if isinstance(module, NORMS)]
    for kernel in model.parameters():
        if kernel.ndim == 4:
            kernel.data *= 10 ** torch.empty(len(kernel), 1, 1, 1).uniform_(-3.0, 0.5)
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.2, 2.0)
        nn.init.uniform_(norm.bias, -1.0, 1.0)
        norm.momentum = 1.0
    with torch.no_grad():
        model.train()(torch.from_numpy(make_features(name, model)))
    for norm in norms:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean += norm.running_var.sqrt() * torch.empty_like(norm.running_mean).uniform_(-0.5, 0.5)
        norm.running_var *= torch.empty_like(norm.running_var).uniform_(0.5, 2.0)
    last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
    last.weight.data *= 4.0 / np.ptp(run_torch(model, make_features(name, model)), axis=0).mean()
    return model.eval()


@pytest.fixture
def features() -> NDArray[np.float32]:
    """Return a few windows in the range of the front end."""
    shape = (5, PARAMS.window_frames, PARAMS.n_mels)
    return np.random.default_rng(1).uniform(PARAMS.silence, 2.0, shape).astype(np.float32)


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_folding_and_onnx_keep_the_probabilities(name: str) -> None:
    """Both stay within 1e-5 of the trained network, for every architecture of the registry."""
    model = trained(name)
    parity = compare_networks(model, to_onnx(fold(model), make_params(name)), make_features(name, model))
    assert max(parity.folded, parity.onnx) <= 1e-5


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_no_norm_is_left_and_the_trained_network_stays(name: str) -> None:
    """The folded copy has fewer parameters and no batch norm; the original still has its own."""
    model = trained(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    copy = fold(model)
    assert not any(isinstance(module, NORMS) for module in copy.modules())
    assert sum(w.numel() for w in copy.parameters()) < sum(w.numel() for w in model.parameters())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("biased", [(False, False), (True, True), (False, True)], ids=str)
def test_the_bias_of_a_sum_is_added_once(biased: tuple[bool, bool]) -> None:
    """For all combinations of biases, the folded sum is the norm of the branches' sum."""
    torch.manual_seed(3)
    sum_norm = SumNorm(*(nn.Conv2d(2, 3, 1, bias=bias) for bias in biased)).eval()
    norm = sum_norm.norm
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    nn.init.uniform_(norm.bias, 1.0, 2.0)
    nn.init.uniform_(norm.running_mean, 1.0, 2.0)
    x = torch.randn(1, 2, 4, 4)
    assert torch.allclose(fold(sum_norm)(x), sum_norm(x), atol=1e-5)


def test_a_small_variance_needs_the_eps() -> None:
    """With a variance of the size of eps, the fold is right only if eps is in it."""
    torch.manual_seed(1)
    conv, norm = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3, eps=1e-3)
    assert norm.running_var is not None
    norm.running_var.fill_(1e-3)
    x = torch.randn(1, 2, 5, 5)
    assert torch.allclose(fold_pair(conv, norm.eval())(x), norm(conv(x)), atol=1e-4)


@pytest.mark.parametrize("norm", [nn.BatchNorm1d(3), nn.BatchNorm2d(3)], ids=["1d", "2d"])
def test_a_norm_without_its_convolution_is_refused(norm: nn.Module) -> None:
    """A norm that cannot be folded is an error, not exported."""
    with pytest.raises(ValueError, match="cannot be folded"):
        fold(nn.Sequential(nn.ReLU(), norm))


def test_a_norm_without_statistics_is_refused() -> None:
    """A norm over its batch has no fixed factor."""
    with pytest.raises(ValueError, match="without running statistics"):
        fold(nn.Sequential(MelNorm(3, track_running_stats=False)))


def test_the_batch_is_free_and_the_names_are_those_of_the_service(features: np.ndarray) -> None:
    """One file for every batch size, with the input and output that the service asks for."""
    network = to_onnx(fold(trained("resnet")), PARAMS)
    opened = open_session(network)
    assert [(node.name, node.shape[1:]) for node in opened.get_inputs()] == [(INPUT, [96, 64])]
    assert [(node.name, node.shape[1:]) for node in opened.get_outputs()] == [(OUTPUT, [5])]
    alone = np.concatenate([run_onnx(network, window[None]) for window in features])
    assert np.allclose(alone, run_onnx(network, features), atol=1e-5)


def test_the_network_holds_no_norm_and_no_training_node() -> None:
    """The graph has only operators that every runtime has."""
    graph = onnx.load_from_string(to_onnx(fold(trained("resnet")), PARAMS)).graph
    kinds = {node.op_type for node in graph.node}
    assert not kinds & {"BatchNormalization", "Dropout"}
    assert "Conv" in kinds


def test_beyond_the_limit_is_refused() -> None:
    """A difference beyond the limit stops the export and is named."""
    with pytest.raises(DataError, match=r"ONNX by 0\.1"):
        Parity(0.0, 0.1).check()
