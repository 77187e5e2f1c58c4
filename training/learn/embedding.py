"""The activations before the classifier layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from edge.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor


def embed(model: nn.Module, log_mel: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logits, (batch, labels), and the embedding, (batch, width).

    `log_mel` has the shape (batch, frames, mels). The embedding is the input of the network's last dense layer, dropout
    included, so every network that ends in one has it. Raises `ConfigError` for a network without one.
    """
    seen: list[Tensor] = []
    hook = _find_classifier(model).register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    try:
        logits: Tensor = model(log_mel)
    finally:
        hook.remove()
    return logits, seen[-1]


@torch.no_grad()
def measure_embedding_width(model: nn.Module, window: tuple[int, int]) -> int:
    """Return the width of the embedding of windows of (frames, mels).

    It runs the network once, and leaves torch's random state unchanged.
    """
    with torch.random.fork_rng(devices=()):
        return embed(model, torch.zeros(2, *window))[1].shape[1]


def _find_classifier(model: nn.Module) -> nn.Module:
    dense = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    if not dense:
        name = type(model).__name__
        msg = f"{name} does not end in a dense layer, which a hybrid train.loss and train.logit_weight need"
        raise ConfigError(msg, where="model")
    return dense[-1]
