"""The streaming network: causal, and the same however its sound is cut into pieces."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from edge.frontend.params import FrontEndParams
from training.config import ModelConfig, Stage
from training.measure.scoring import stream_logits
from training.models import build_model
from training.models.streamnet import Streaming, StreamNet

PARAMS = FrontEndParams()
SMALL = ModelConfig(
    name="streamnet",
    stem=4,
    stages=(Stage(6, 1, 2, 2), Stage(8, 2, 1, 2)),
    tower=10,
    kernels=(3, 5),
    head=12,
    pool=12,
)


@pytest.fixture(name="model")
def _model() -> StreamNet:
    """Return an untrained network whose norms do something."""
    torch.manual_seed(2)
    model = build_model(SMALL, PARAMS.n_mels, 3)
    for norm in (layer for layer in model.modules() if isinstance(layer, torch.nn.BatchNorm2d)):
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.uniform_(-0.5, 0.5)
        norm.running_var.uniform_(0.5, 2.0)
    assert isinstance(model, StreamNet)
    return model.eval()


def sound(steps: int, batch: int = 2) -> torch.Tensor:
    """Return log-mel of `steps` decisions."""
    return torch.randn((batch, 8 * steps, PARAMS.n_mels), generator=torch.Generator().manual_seed(steps))


def start(model: StreamNet, batch: int = 2) -> torch.Tensor:
    """Return the state before any sound."""
    return torch.zeros(batch, model.state_size)


@torch.no_grad()
def test_a_window_is_the_last_decision_of_a_stream_that_begins_with_it(model: StreamNet) -> None:
    """`forward` of 96 frames is `sequence` from an empty state, at its end."""
    x = sound(12)
    streamed, _ = model.sequence(x, start(model))
    assert torch.allclose(model(x), streamed[:, -1], atol=1e-5)


@pytest.mark.parametrize("cuts", [[1] * 20, [3, 1, 7, 9], [19, 1]])
@torch.no_grad()
def test_pieces_give_the_logits_of_the_whole(model: StreamNet, cuts: list[int]) -> None:
    """However a sound is cut into pieces of whole decisions, its logits and the last state are the same."""
    x = sound(20)
    whole, last = model.sequence(x, start(model))
    state, parts = start(model), []
    for piece in torch.split(x, [8 * steps for steps in cuts], dim=1):
        logits, state = model.sequence(piece, state)
        parts.append(logits)
    assert torch.allclose(torch.cat(parts, dim=1), whole, atol=1e-5)
    assert torch.allclose(state, last, atol=1e-5)


@torch.no_grad()
def test_later_frames_change_no_decision(model: StreamNet) -> None:
    """Later frames change no earlier decision."""
    x = sound(20)
    changed = x.clone()
    changed[:, 8 * 10 :] += 3.0
    before, after = (model.sequence(y, start(model))[0] for y in (x, changed))
    assert torch.equal(before[:, :10], after[:, :10])
    assert not torch.allclose(before[:, 10], after[:, 10])


@torch.no_grad()
def test_the_past_is_forgotten(model: StreamNet) -> None:
    """A decision depends on the last seconds only, so that a year of running leaves nothing behind."""
    x, y = sound(60), sound(60)
    x[:, : 8 * 20] = 5.0
    first, second = (model.sequence(z, start(model))[0][:, -1] for z in (x, y))
    assert torch.allclose(first, second, atol=1e-5)


@torch.no_grad()
def test_streams_in_a_batch_do_not_mix(model: StreamNet) -> None:
    """Each stream of a batch has the result that it has alone."""
    x = sound(5)
    together, states = model.sequence(x, start(model))
    alone, state = model.sequence(x[1:], start(model, 1))
    assert torch.allclose(together[1:], alone, atol=1e-5)
    assert torch.allclose(states[1:], state, atol=1e-5)


def test_only_the_streaming_network_streams(model: StreamNet) -> None:
    """The others have no `sequence`."""
    assert isinstance(model, Streaming)
    assert not isinstance(build_model(dataclasses.replace(SMALL, name="resnet"), PARAMS.n_mels, 3), Streaming)


@pytest.mark.parametrize(("frames", "decisions"), [(96, 1), (104, 2), (111, 2), (200, 14), (50, 1), (3, 1)])
def test_decisions_count_after_a_window_or_the_whole_clip(model: StreamNet, frames: int, decisions: int) -> None:
    """A clip gives a decision a step once a window is full, and a shorter one the last decision it has."""
    mel = np.random.default_rng(1).normal(size=(frames, PARAMS.n_mels)).astype(np.float32)
    assert stream_logits(model, mel, PARAMS).shape == (decisions, 3)


def test_a_short_clip_is_used_as_a_whole(model: StreamNet) -> None:
    """A clip of 50 frames is preceded by silence, so that no frame is cut off."""
    mel = np.random.default_rng(1).normal(size=(50, PARAMS.n_mels)).astype(np.float32)
    padded = np.concatenate((np.full((88 + 6, PARAMS.n_mels), PARAMS.silence, np.float32), mel))
    with torch.no_grad():
        expected = model.sequence(torch.from_numpy(padded)[None], start(model, 1))[0][0, -1:]
    assert np.allclose(stream_logits(model, mel, PARAMS), expected, atol=1e-6)
