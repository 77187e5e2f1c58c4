"""What a network is taught by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn.functional import binary_cross_entropy_with_logits

if TYPE_CHECKING:
    from torch import Tensor

    from training.augment.recipe import Batch


def label_and_teacher_loss(logits: Tensor, batch: Batch, distil_weight: float) -> Tensor:
    """Return the mean binary cross-entropy against the labels, where they are sure, and against the teacher.

    `logits` has the shape (batch, labels). Labels and teacher are weighed 1 : `distil_weight`.
    """
    hard = binary_cross_entropy_with_logits(logits, batch.target, weight=batch.sure)
    soft = binary_cross_entropy_with_logits(logits, batch.soft)
    return (hard + distil_weight * soft) / (1.0 + distil_weight)
