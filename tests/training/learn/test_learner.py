"""The average, the optimiser, the architectures and the learner's additional layers."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from edge.claps.crop import CLAP_FRONT_END
from edge.errors import ConfigError
from edge.frontend.params import FrontEndParams
from training.augment.batch import Batch
from training.config import ModelConfig, Stage, TrainConfig
from training.learn.embedding import embed, measure_embedding_width
from training.learn.learner import Learner
from training.learn.losses import label_and_teacher_loss, logit_loss
from training.learn.optimiser import make_optimiser, update_average
from training.models import REGISTRY, build_model

PARAMS = FrontEndParams()
SMALL = ModelConfig(stem=4, head=8, stages=(Stage(8, 1, 2, 2, residual=False), Stage(8, 2), Stage(12, 1, 1, 2)))

ANY_LENGTH = sorted(set(REGISTRY) - {"onset"})
"""Architectures for windows of any length; that for onsets is for its own crops."""


def test_the_average_moves_by_its_decay() -> None:
    """Weights and running statistics move, counters are copied."""
    average, model = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    nn.init.constant_(model.weight, 3.0)
    model.load_state_dict({"running_mean": torch.ones(2), "num_batches_tracked": torch.tensor(7)}, strict=False)
    update_average(average, model, 0.75)
    moved = {name: value.tolist() for name, value in average.state_dict().items()}
    assert (moved["weight"], moved["running_mean"], moved["num_batches_tracked"]) == ([1.5, 1.5], [0.25, 0.25], 7)


def test_norms_and_biases_do_not_decay() -> None:
    """Only kernels are pulled towards zero."""
    model = build_model(SMALL, PARAMS.n_mels, 3)
    decayed, free = make_optimiser(model, TrainConfig(weight_decay=0.1)).param_groups
    assert decayed["weight_decay"] == 0.1
    assert free["weight_decay"] == 0.0
    assert all(weight.ndim > 1 for weight in decayed["params"])
    assert len(decayed["params"]) + len(free["params"]) == len(list(model.parameters()))


@pytest.mark.parametrize("name", ANY_LENGTH)
def test_every_architecture_maps_windows_to_logits(name: str) -> None:
    """For all bands, labels and lengths there is one row of logits per window, and a gradient for every weight."""
    model = build_model(dataclasses.replace(SMALL, name=name), 40, 7)
    out = model(torch.randn(2, 50, 40))
    out.sum().backward()
    assert out.shape == (2, 7)
    assert all(weight.grad is not None for weight in model.parameters())


@pytest.mark.parametrize("name", ANY_LENGTH)
def test_a_sound_at_the_very_end_is_seen(name: str) -> None:
    """Each of the last frames of a window changes the logits, even if earlier ones are in more steps."""
    torch.manual_seed(1)
    model = build_model(dataclasses.replace(SMALL, name=name), PARAMS.n_mels, 3)
    windows = torch.randn(32, PARAMS.window_frames, PARAMS.n_mels, requires_grad=True)
    model(windows).square().sum().backward()
    assert windows.grad is not None
    say = windows.grad.abs().mean(dim=(0, 2))
    assert say[-4:].min() > 0.05 * say.median()


def test_an_unknown_architecture_is_named() -> None:
    """The message lists the known ones."""
    with pytest.raises(ConfigError, match="mobilenet, onset, resnet"):
        build_model(dataclasses.replace(SMALL, name="vit"), 64, 3)


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_architecture_has_an_embedding(name: str) -> None:
    """Its last dense layer turns it into the logits; the network and torch's random state are unchanged."""
    torch.manual_seed(3)
    model = build_model(dataclasses.replace(SMALL, name=name), 64, 7)
    frames = CLAP_FRONT_END.window_frames if name == "onset" else 48
    window, before = torch.randn(2, frames, 64), torch.get_rng_state()
    width = measure_embedding_width(model, (frames, 64))
    assert torch.equal(torch.get_rng_state(), before)
    model.eval()
    logits, embedding = embed(model, window)
    dense = [layer for layer in model.modules() if isinstance(layer, nn.Linear)][-1]
    assert embedding.shape == (2, width)
    assert torch.equal(logits, dense(embedding))
    assert torch.equal(logits, model(window))
    assert not any(layer._forward_pre_hooks for layer in model.modules())


def test_a_network_without_an_embedding_is_refused() -> None:
    """The message names the settings that need one; other losses work."""
    model = nn.Sequential(nn.Flatten(), nn.LogSoftmax(dim=1))
    Learner(model, TrainConfig(), torch.ones(4), 0, (2, 2))
    with pytest.raises(ConfigError, match="does not end in a dense layer, which a hybrid"):
        Learner(model, TrainConfig(loss="hybrid"), torch.ones(4), 0, (2, 2))


def make_batch(size: int, labels: int, classes: int) -> Batch:
    """Return a batch of noise, one label a sample, and another teacher's logits."""
    generator = torch.Generator().manual_seed(1)
    target = torch.eye(labels)[torch.arange(size) % labels]
    features, logits = torch.randn(size, 48, 64, generator=generator), torch.randn(size, classes, generator=generator)
    return Batch(features, target, torch.ones_like(target), target, logits, torch.ones(size))


def test_a_learner_adds_the_loss_of_its_layers() -> None:
    """The loss of the predicted logits counts by its weight, in addition to the network's own loss."""
    model = build_model(dataclasses.replace(SMALL, dropout=0.0), 64, 3)
    config, batch = TrainConfig(logit_weight=0.25), make_batch(4, 3, 5)
    learner = Learner(model, config, torch.ones(3), 5, (48, 64))
    logits, embedding = embed(model, batch.features)
    assert learner.guess is not None
    alone = label_and_teacher_loss(logits, batch, config, torch.ones(3))
    guessed = logit_loss(learner.guess(embedding), batch)
    assert learner(batch).item() == pytest.approx((alone + 0.25 * guessed).item(), rel=1e-5)


@pytest.mark.parametrize("loss", ["hybrid", "hybrid-bce"])
def test_a_hybrid_loss_teaches_network_and_projection(loss: str) -> None:
    """Every weight gets a gradient, and without the contrastive share it is the other loss."""
    batch = make_batch(6, 3, 5)
    model = build_model(dataclasses.replace(SMALL, dropout=0.0), 64, 3)
    learner = Learner(model, TrainConfig(loss=loss), torch.ones(3), 0, (48, 64))
    learner(batch).backward()
    assert all(weight.grad is not None for weight in learner.parameters())
    plain = {"hybrid": "cross-entropy", "hybrid-bce": "bce"}[loss]
    alone = [
        Learner(model, TrainConfig(loss=name, contrast_weight=0.0), torch.ones(3), 0, (48, 64))(batch).item()
        for name in (loss, plain)
    ]
    assert alone[0] == pytest.approx(alone[1], rel=1e-5)
