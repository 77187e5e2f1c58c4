"""Batches of training samples."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """Samples with their targets.

    `target`, `sure` and `soft` have the shape (batch, labels).
    """

    features: Tensor
    """Log-mel, shape (batch, frames, mels)."""
    target: Tensor
    """1 for a label that holds, 0 for one that does not, between for a faint one."""
    sure: Tensor
    """Weight of each target: 0 for a sound that may be present without a label."""
    soft: Tensor
    """The teacher's probabilities."""
    logits: Tensor | None = None
    """Another teacher's logits of its own classes, shape (batch, classes)."""
    logits_weight: Tensor | None = None
    """Weight of each sample's logits, shape (batch,)."""
