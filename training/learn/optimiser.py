"""The optimiser, its steps, and the averaged weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor, nn

    from training.config import TrainConfig


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the averaged weights towards the model's; counters are copied."""
    for kept, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(new, 1.0 - decay)
        else:
            kept.copy_(new)


def make_optimiser(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """Return AdamW with weight decay on kernels, not on norms and biases."""
    kernels = [weight for weight in model.parameters() if weight.ndim > 1]
    others = [weight for weight in model.parameters() if weight.ndim <= 1]
    groups = [{"params": kernels, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.lr)


def take_step(
    steps: torch.optim.Optimizer, loss: Tensor, rate: float, scaler: torch.amp.GradScaler | None = None
) -> Tensor:
    """Take a step down the gradient at this learning rate; return the loss."""
    scaler = scaler or torch.amp.GradScaler(enabled=False)
    for group in steps.param_groups:
        group["lr"] = rate
    steps.zero_grad(set_to_none=True)
    scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
    scaler.step(steps)
    scaler.update()
    return loss.detach()
