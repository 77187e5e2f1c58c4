"""Losses compared with slow implementations of their papers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from training.augment.batch import Batch
from training.config import TRAIN_CHOICES, TrainConfig
from training.learn.contrastive import supervised_contrastive
from training.learn.losses import compute_positive_weights, label_and_teacher_loss, logit_loss

EVEN = torch.ones(4)


def gradient(loss: Tensor, of: Tensor) -> Tensor:
    """Return the gradient of a loss."""
    (slope,) = torch.autograd.grad(loss, of)
    return slope


def make_batch(target: Tensor, sure: Tensor | None = None, soft: Tensor | None = None) -> Batch:
    """Return a batch with the fields that a loss reads."""
    return Batch(
        torch.zeros(len(target), 1, 1),
        target,
        torch.ones_like(target) if sure is None else sure,
        target if soft is None else soft,
    )


def random(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def one_hot(columns: list[int], labels: int = 4) -> Tensor:
    return torch.eye(labels)[columns]


def chance(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-logit))


def slow_bce(logits: Tensor, wanted: Tensor, weight: Tensor, positive: Tensor = EVEN) -> float:
    """Return the mean over all numbers of the weighted cross-entropy of two outcomes."""
    total = 0.0
    for row, column in np.ndindex(*logits.shape):
        p, t = chance(float(logits[row, column])), float(wanted[row, column])
        each = float(positive[column]) * t * math.log(p) + (1 - t) * math.log(1 - p)
        total -= float(weight[row, column]) * each
    return total / logits.numel()


@pytest.mark.parametrize("distil_weight", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("loss", "positive"), [("bce", EVEN), ("weighted-bce", torch.tensor([1.0, 2.0, 5.0, 0.5]))])
def test_the_loss_is_the_sum_of_both_cross_entropies(loss: str, positive: Tensor, distil_weight: float) -> None:
    """It equals the slow sum: labels where they are sure, by their weights, and the teacher everywhere."""
    logits, target, soft = random(3, 4), random(3, 4, seed=2).round(), random(3, 4, seed=3)
    sure = (soft > 0.3).float()
    config = TrainConfig(loss=loss, distil_weight=distil_weight)
    slow = slow_bce(logits, target, sure, positive) + distil_weight * slow_bce(logits, soft, torch.ones(3, 4))
    computed = label_and_teacher_loss(logits, make_batch(target, sure, soft), config, positive).item()
    assert computed == pytest.approx(slow / (1 + distil_weight), rel=1e-5)


@pytest.mark.parametrize("loss", TRAIN_CHOICES["loss"])
def test_every_loss_that_can_be_chosen_is_there(loss: str) -> None:
    """It is smaller for the right answer than for the wrong one."""
    target, config = one_hot([0, 1, 2, 3]), TrainConfig(loss=loss)
    right, wrong = (label_and_teacher_loss(4 * t, make_batch(target), config, EVEN) for t in (target, 1 - target))
    assert 0 < right < wrong < 10


def test_rare_labels_weigh_as_much_as_common_ones() -> None:
    """The weight is clips without a label over clips with it; at most 100, and 1 without any."""
    holds = np.zeros((1000, 4), np.bool_)
    holds[:500, 0] = holds[:10, 1] = holds[0, 2] = True
    assert compute_positive_weights(holds).tolist() == [1.0, 99.0, 100.0, 1.0]


def test_the_focal_loss_is_that_of_its_paper() -> None:
    """It is the mean of -alpha_t (1 - p_t)^gamma log p_t (Lin et al. 2017, equation 5) over sure labels."""
    logits, target = 3 * random(5, 4) - 1.5, one_hot([0, 1, 2, 3, 0])
    sure = random(5, 4, seed=2).round()
    slow = 0.0
    for at in np.ndindex(5, 4):
        holds = bool(target[at])
        p_t = chance(float(logits[at])) if holds else 1 - chance(float(logits[at]))
        slow -= float(sure[at]) * (0.3 if holds else 0.7) * (1 - p_t) ** 1.5 * math.log(p_t)
    config = TrainConfig(loss="focal", focal_alpha=0.3, focal_gamma=1.5, distil_weight=0.0)
    computed = label_and_teacher_loss(logits, make_batch(target, sure), config, EVEN).item()
    assert computed == pytest.approx(slow / 20, rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_cross_entropy_is_that_of_a_softmax(smoothing: float) -> None:
    """Single labels, mixed ones by their shares, and smoothing as torch does them."""
    logits, config = random(4, 4), TrainConfig(loss="cross-entropy", label_smoothing=smoothing, distil_weight=0.0)
    target = one_hot([0, 3, 1, 1])
    target[3, 2] = 1.0 / 3.0  # 3 : 1
    expected = cross_entropy(logits, target / target.sum(dim=1, keepdim=True), label_smoothing=smoothing)
    assert label_and_teacher_loss(logits, make_batch(target), config, EVEN).item() == pytest.approx(expected.item())


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_softmax_leaves_out_unsure_classes(smoothing: float) -> None:
    """An unsure class has no gradient in its sample, nor has a sample without any label."""
    logits, sure = random(2, 4).requires_grad_(), torch.ones(2, 4)
    sure[0, 2] = 0.0
    config = TrainConfig(loss="cross-entropy", label_smoothing=smoothing, distil_weight=0.0)
    target = one_hot([0, 0])
    target[1] = 0.0
    slope = gradient(label_and_teacher_loss(logits, make_batch(target, sure), config, EVEN), logits)
    assert slope[0].ne(0).tolist() == [True, True, False, True]
    assert slope[1].eq(0).all()


def test_a_softmax_takes_the_teacher_for_shares() -> None:
    """The teacher's probabilities count by their share of its sum, weighted against the labels."""
    logits, soft, target = random(3, 4), random(3, 4, seed=2), one_hot([0, 1, 2])
    config = TrainConfig(loss="cross-entropy", distil_weight=0.5)
    expected = cross_entropy(logits, target) + 0.5 * cross_entropy(logits, soft / soft.sum(dim=1, keepdim=True))
    computed = label_and_teacher_loss(logits, make_batch(target, soft=soft), config, EVEN)
    assert computed.item() == pytest.approx(expected.item() / 1.5, rel=1e-5)


def slow_contrastive(views: Tensor, kinds: list[int], temperature: float) -> float:
    """Add up equation 2 of Khosla et al. 2020, view by view."""
    views = views / views.norm(dim=1, keepdim=True)
    total, counted = 0.0, 0
    for i in range(len(views)):
        others = [a for a in range(len(views)) if a != i]
        like = [p for p in others if kinds[p] == kinds[i]]
        near = {a: math.exp(float(views[i] @ views[a]) / temperature) for a in others}
        if like:
            total -= sum(math.log(near[p] / sum(near.values())) for p in like) / len(like)
            counted += 1
    return total / counted


def test_the_contrastive_loss_is_that_of_its_paper() -> None:
    """With one label each it equals the slow sum; a view that is alone with its label does not count."""
    kinds, views = [0, 1, 0, 2, 1, 0, 3], random(7, 5) - 0.5
    computed = supervised_contrastive(views, one_hot(kinds), 0.2).item()
    assert computed == pytest.approx(slow_contrastive(views, kinds, 0.2), rel=1e-5)


def test_two_labels_belong_half_to_either() -> None:
    """A view with two labels is attracted to views of both, less than those are to each other."""
    targets = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    views = random(4, 5).requires_grad_()
    slope = gradient(supervised_contrastive(views, targets, 0.5), views)
    assert slope.abs().sum(dim=1).min() > 0


def test_views_without_company_are_no_loss() -> None:
    """Without a positive the loss is 0, with a gradient of 0: not NaN."""
    views = random(3, 5).requires_grad_()
    loss = supervised_contrastive(views, one_hot([0, 1, 2]), 0.05)
    assert loss.item() == 0.0
    assert gradient(loss, views).eq(0).all()


def test_logits_count_by_their_weight() -> None:
    """The Huber loss of samples without weight is left out, and a batch without logits is an error."""
    target = one_hot([0, 1])
    batch = Batch(torch.zeros(2, 1, 1), target, target, target, torch.zeros(2, 3), torch.tensor([1.0, 0.0]))
    assert logit_loss(torch.tensor([[0.5] * 3, [9.0] * 3]), batch).item() == pytest.approx(0.125)
    with pytest.raises(ValueError, match="no logits"):
        logit_loss(torch.zeros(2, 3), make_batch(target))
