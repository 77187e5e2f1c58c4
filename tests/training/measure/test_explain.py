"""Grad-CAM highlights the sound that a network detects."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edge.claps.crop import CLAP_FRONT_END
from edge.errors import DataError
from edge.frontend.params import FrontEndParams
from training.config import ModelConfig, Stage
from training.measure.explain import grad_cam
from training.models import REGISTRY, build_model

PARAMS = FrontEndParams()


class LinesNet(nn.Module):
    """Knows two things: a line across time (a tone), label 0, and a line across pitch (a click), label 1."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = nn.Conv2d(1, 2, 3, padding=1, bias=False)
        self.act = nn.ReLU(inplace=True)
        along = torch.tensor([[-1.0, 2.0, -1.0]]).repeat(3, 1)  # (time, mel): bright in one band
        self.lines.weight = nn.Parameter(torch.stack((along, along.T))[:, None])

    def forward(self, log_mel: Tensor) -> Tensor:
        answer: Tensor = self.act(self.lines(log_mel.unsqueeze(1))).mean(dim=(2, 3))
        return answer


def scene() -> np.ndarray:
    """Return a window with a tone in band 40 and a click in frame 20."""
    log_mel = np.zeros((96, 64), np.float32)
    log_mel[40:80, 40] = 1.0
    log_mel[20, 5:30] = 1.0
    return log_mel


@pytest.mark.parametrize(("label", "frames", "bands"), [(0, (40, 80), (40, 41)), (1, (20, 21), (5, 30))])
def test_what_speaks_for_a_label_lights_up(label: int, frames: tuple[int, int], bands: tuple[int, int]) -> None:
    """The tone for the one label, the click for the other, each more than the rest of the window."""
    heat = grad_cam(LinesNet(), scene(), label)
    inside = np.zeros(heat.shape, bool)
    inside[slice(*frames), slice(*bands)] = True
    assert heat.shape == (96, 64)
    assert heat.max() == pytest.approx(1.0)
    assert heat[inside].mean() > 0.9
    assert heat[~inside].mean() < 0.01


def test_silence_has_no_heat() -> None:
    """If no map responds, the heat is 0, without a division by 0."""
    assert not grad_cam(LinesNet(), np.zeros((96, 64), np.float32), 0).any()


def test_the_network_is_left_as_it_was() -> None:
    """It keeps its mode and has no gradient or hook left."""
    model = LinesNet().train()
    grad_cam(model, scene(), 0)
    assert model.training
    assert model.lines.weight.grad is None
    assert not model.act._forward_hooks


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_architecture_can_be_asked(name: str) -> None:
    """A heat map of the window's own shape, wherever the last map with both axes is."""
    torch.manual_seed(1)
    params = CLAP_FRONT_END if name == "onset" else PARAMS
    shape = (params.window_frames, params.n_mels)
    config = ModelConfig(name, stem=8, stages=(Stage(16, 1, 2, 2), Stage(16, 1, 1, 2)), head=16)
    model = build_model(config, params.n_mels, 3)
    heat = grad_cam(model, np.random.default_rng(1).normal(0, 1, shape).astype(np.float32), 2)
    assert heat.shape == shape
    assert np.isfinite(heat).all()
    assert heat.min() >= 0.0
    assert heat.max() <= 1.0


def test_wrong_questions_are_answered_in_words() -> None:
    """A label that the network lacks, and a network that has no map."""
    with pytest.raises(ValueError, match="label 2: the network has 2"):
        grad_cam(LinesNet(), scene(), 2)
    with pytest.raises(DataError, match=r"Flat.*no map"):
        grad_cam(Flat(), scene(), 0)


class Flat(nn.Module):
    """A network of one layer that sees the window as a row of numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.all = nn.Linear(96 * 64, 2)

    def forward(self, log_mel: Tensor) -> Tensor:
        out: Tensor = self.all(log_mel.flatten(1))
        return out
