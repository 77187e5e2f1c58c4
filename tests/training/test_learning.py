"""The loss, the schedule, the average, the networks and their checkpoints."""

from __future__ import annotations

import dataclasses
import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

from edge.frontend.params import FrontEndParams
from training.augment.recipe import Batch
from training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from training.config import Config, ModelConfig, Stage, TrainConfig
from training.engine import learning_rate, optimiser, update_average
from training.losses import label_and_teacher_loss
from training.models import REGISTRY, build_model

if TYPE_CHECKING:
    from pathlib import Path

PARAMS = FrontEndParams()
SMALL = ModelConfig(stem=4, head=8, stages=(Stage(8, 1, 2, 2, residual=False), Stage(8, 2), Stage(12, 1, 1, 2)))

ANY_LENGTH = sorted(set(REGISTRY) - {"onset"})
"""Architectures for windows of any length; that for onsets is for its own crops."""


def slow_loss(logits: np.ndarray, batch: Batch, distil_weight: float) -> float:
    """Add up both cross-entropies, number by number."""
    total = 0.0
    for at in np.ndindex(*logits.shape):
        chance = 1 / (1 + np.exp(-float(logits[at])))
        for wanted, weight in ((batch.target[at], float(batch.sure[at])), (batch.soft[at], distil_weight)):
            total -= weight * float(wanted * np.log(chance) + (1 - wanted) * np.log(1 - chance))
    return total / logits.size / (1 + distil_weight)


@pytest.mark.parametrize("distil_weight", [0.0, 0.5, 1.0])
def test_the_loss_is_the_sum_of_both_cross_entropies(distil_weight: float) -> None:
    """It equals the slow sum: labels where they are sure, the teacher everywhere."""
    generator = torch.Generator().manual_seed(1)
    logits, target, soft = (torch.rand((3, 4), generator=generator) for _ in range(3))
    batch = Batch(torch.zeros(3, 1, 1), target.round(), (soft > 0.3).float(), soft)
    loss = label_and_teacher_loss(logits, batch, distil_weight).item()
    assert loss == pytest.approx(slow_loss(logits.numpy(), batch, distil_weight), rel=1e-5)


def test_the_rate_rises_and_falls() -> None:
    """A straight rise to the full rate, then half a cosine to nothing."""
    config = TrainConfig(steps=1000, warmup_steps=100, lr=1.0)
    assert learning_rate(0, config) == pytest.approx(0.01)
    assert learning_rate(99, config) == learning_rate(100, config) == pytest.approx(1.0)
    assert learning_rate(550, config) == pytest.approx(0.5)
    assert learning_rate(999, config) < 1e-4


def test_the_average_moves_by_its_decay() -> None:
    """Weights and running statistics move, counters are copied."""
    average, model = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    nn.init.constant_(model.weight, 3.0)
    model.running_mean.fill_(1.0)
    model.num_batches_tracked.fill_(7)
    update_average(average, model, 0.75)
    assert average.weight.tolist() == [1.5, 1.5]
    assert average.running_mean.tolist() == [0.25, 0.25]
    assert average.num_batches_tracked.item() == 7


def test_norms_and_biases_do_not_decay() -> None:
    """Only kernels are pulled towards zero."""
    model = build_model(SMALL, PARAMS.n_mels, 3)
    decayed, free = optimiser(model, TrainConfig(weight_decay=0.1)).param_groups
    assert decayed["weight_decay"] == 0.1
    assert free["weight_decay"] == 0.0
    assert all(weight.ndim > 1 for weight in decayed["params"])
    assert len(decayed["params"]) + len(free["params"]) == len(list(model.parameters()))


@pytest.mark.parametrize("name", ANY_LENGTH)
def test_every_architecture_maps_windows_to_logits(name: str) -> None:
    """Whatever the bands, labels and length: one row of logits a window, and a gradient for every weight."""
    model = build_model(dataclasses.replace(SMALL, name=name), 40, 7)
    out = model(torch.randn(2, 50, 40))
    out.sum().backward()
    assert out.shape == (2, 7)
    assert all(weight.grad is not None for weight in model.parameters())


@pytest.mark.parametrize("name", ANY_LENGTH)
def test_a_sound_at_the_very_end_is_seen(name: str) -> None:
    """Each of the last frames of a window has a say in the logits, about as much as those in its middle."""
    torch.manual_seed(1)
    model = build_model(dataclasses.replace(SMALL, name=name), PARAMS.n_mels, 3)
    windows = torch.randn(32, PARAMS.window_frames, PARAMS.n_mels, requires_grad=True)
    model(windows).square().sum().backward()
    assert windows.grad is not None
    say = windows.grad.abs().mean(dim=(0, 2))
    assert say[-4:].min() > 0.2 * say.median()


def test_an_unknown_architecture_is_named() -> None:
    """The message lists what there is."""
    with pytest.raises(ValueError, match="mobilenet, onset, resnet"):
        build_model(dataclasses.replace(SMALL, name="vit"), 64, 3)


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    """Settings, front end, labels and every output of the network are the same."""
    params = dataclasses.replace(PARAMS, log_floor=1e-7)
    wrote = Checkpoint(build_model(SMALL, 64, 2).eval(), Config(model=SMALL), params, ("a", "b"), 9)
    save_checkpoint(tmp_path / "x.pt", wrote)
    read = load_checkpoint(tmp_path / "x.pt")
    x = torch.randn(2, 96, 64)
    assert (read.config, read.params, read.labels, read.step) == (wrote.config, params, ("a", "b"), 9)
    assert torch.equal(read.model(x), wrote.model(x))


class Trap:
    """A pickle that would run code."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        """Ask the reader to make a list of a word."""
        return list, ("trap",)


@pytest.mark.parametrize("content", [pickle.dumps(Trap()), b"", b"text", None], ids=["code", "empty", "text", "other"])
def test_what_is_no_checkpoint_is_refused(content: bytes | None, tmp_path: Path) -> None:
    """Code, emptiness, text and another program's file are one clear error, and nothing of them is run."""
    path = tmp_path / "x.pt"
    if content is None:
        torch.save({"model": torch.zeros(1)}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.pt: not a checkpoint"):
        load_checkpoint(path)
