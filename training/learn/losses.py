"""Training losses: labels, teacher probabilities, teacher logits.

All take logits of the shape (batch, labels). All but the softmax losses treat every label as an independent question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax, logsigmoid, smooth_l1_loss

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from training.augment.batch import Batch
    from training.config import TrainConfig

CONTRASTIVE = {"hybrid": "cross-entropy", "hybrid-bce": "bce"}
"""Losses with a contrastive part, and the loss beside it."""
EXCLUSIVE = ("cross-entropy", "hybrid")
"""Losses of a softmax: exactly one label holds."""
_HEAVIEST = 100.0
_IMPOSSIBLE = -1e4
"""Logit of a class that is left out of a softmax, finite so that 0 times it is 0."""


def label_and_teacher_loss(logits: Tensor, batch: Batch, config: TrainConfig, positive: Tensor) -> Tensor:
    """Return the mean loss against the sure labels and against the teacher.

    Labels and teacher are weighted 1 : `config.distil_weight` (Hinton et al. 2015, at temperature 1); a network that
    learns a softmax takes the teacher's probabilities as shares. `positive` is the result of
    `compute_positive_weights`.
    """
    name = CONTRASTIVE.get(config.loss, config.loss)
    hard = _LABEL_LOSSES[name](logits, batch, config, positive)
    if name == "cross-entropy":
        soft = _soft_cross_entropy(logits, _normalize_rows(batch.soft))
    else:
        soft = binary_cross_entropy_with_logits(logits, batch.soft)
    return (hard + config.distil_weight * soft) / (1.0 + config.distil_weight)


def logit_loss(predicted: Tensor, batch: Batch) -> Tensor:
    """Return the mean Huber loss against another teacher's logits, (batch, classes).

    Samples are weighted by `batch.logits_weight`.
    """
    if batch.logits is None or batch.logits_weight is None:
        msg = "the batch has no logits to learn from"
        raise ValueError(msg)
    each = smooth_l1_loss(predicted, batch.logits, reduction="none").mean(dim=1)
    return (each * batch.logits_weight).sum() / batch.logits_weight.sum().clamp_min(1.0)


def compute_positive_weights(holds: NDArray[np.bool_]) -> Tensor:
    """Return the weight of a clip with a label against one without, shape (labels,).

    `holds` has the shape (clips, labels). All clips with a label weigh as much as all without, but none more than 100,
    or than 1 if no clip has it.
    """
    counts = torch.from_numpy(holds.sum(axis=0))
    return torch.where(counts > 0, (len(holds) - counts) / counts.clamp_min(1), 1.0).clamp_max(_HEAVIEST)


def _bce(logits: Tensor, batch: Batch, _config: TrainConfig, _positive: Tensor) -> Tensor:
    return binary_cross_entropy_with_logits(logits, batch.target, weight=batch.sure)


def _weighted_bce(logits: Tensor, batch: Batch, _config: TrainConfig, positive: Tensor) -> Tensor:
    return binary_cross_entropy_with_logits(logits, batch.target, weight=batch.sure, pos_weight=positive)


def _focal(logits: Tensor, batch: Batch, config: TrainConfig, _positive: Tensor) -> Tensor:
    """Return the mean focal loss (Lin et al., ICCV 2017).

    Its two sides are weighted by the target if that is between 0 and 1.
    """
    alpha, gamma, chance = config.focal_alpha, config.focal_gamma, logits.sigmoid()
    holds = alpha * (1.0 - chance) ** gamma * logsigmoid(logits)
    not_so = (1.0 - alpha) * chance**gamma * logsigmoid(-logits)
    return -(batch.sure * (batch.target * holds + (1.0 - batch.target) * not_so)).mean()


def _cross_entropy(logits: Tensor, batch: Batch, config: TrainConfig, _positive: Tensor) -> Tensor:
    """Return the mean cross-entropy of a softmax, smoothed (Szegedy et al. 2016).

    Several labels share a sample. A class that may sound without a label is left out of its sample's softmax.
    """
    possible = ((batch.sure > 0) | (batch.target > 0)).to(logits.dtype)
    even = possible / possible.sum(dim=1, keepdim=True).clamp_min(1.0)
    target = _normalize_rows(batch.target)
    smoothed = torch.lerp(target, even, config.label_smoothing) * target.sum(dim=1, keepdim=True)
    return _soft_cross_entropy(logits.masked_fill(possible == 0, _IMPOSSIBLE), smoothed)


def _normalize_rows(values: Tensor) -> Tensor:
    """Scale rows to sum 1; a row of zeros, for unknown labels, stays zero."""
    total = values.sum(dim=1, keepdim=True)
    return torch.where(total > 0, values / total.clamp_min(torch.finfo(values.dtype).tiny), 0.0)


def _soft_cross_entropy(logits: Tensor, shares: Tensor) -> Tensor:
    return -(shares * log_softmax(logits, dim=1)).sum(dim=1).mean()


_LABEL_LOSSES: dict[str, Callable[[Tensor, Batch, TrainConfig, Tensor], Tensor]] = {
    "bce": _bce,
    "weighted-bce": _weighted_bce,
    "focal": _focal,
    "cross-entropy": _cross_entropy,
}
