"""Supervised contrastive loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.functional import normalize

if TYPE_CHECKING:
    from torch import Tensor

PROJECTED = 64
"""Width of the projection of the embedding, by a dense layer (Nasiri & Hu, arXiv:2103.01929)."""


def supervised_contrastive(projected: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """Return the mean supervised contrastive loss (Khosla et al., NeurIPS 2020, L_out).

    `projected` has the shape (views, width). Two views are positives as far as their `targets`, shape (views, labels),
    point the same way: with one label each, as published, wholly or not at all. A view without a positive does not
    count.
    """
    with torch.autocast(projected.device.type, enabled=False):  # 16 bits are too coarse at a temperature of 0.05
        directions, kinds = normalize(projected.float(), dim=1), normalize(targets.float(), dim=1)
        itself = torch.eye(len(directions), dtype=torch.bool, device=directions.device)
        likeness = (directions @ directions.T / temperature).masked_fill(itself, -torch.inf)
        log_share = (likeness - likeness.logsumexp(dim=1, keepdim=True)).masked_fill(itself, 0.0)
        together = (kinds @ kinds.T).masked_fill(itself, 0.0)  # (views, views)
        total = together.sum(dim=1)
        each = -(together * log_share).sum(dim=1) / total.clamp_min(torch.finfo(total.dtype).tiny)
        return each.sum() / (total > 0).sum().clamp_min(1)
