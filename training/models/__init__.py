"""The registry of architectures: a name, and a builder that takes what a network must know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.models.mobilenet import MobileNet
from training.models.onset import OnsetNet
from training.models.resnet import ResNet

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from training.config import ModelConfig

REGISTRY: dict[str, Callable[[ModelConfig, int, int], nn.Module]] = {
    "mobilenet": MobileNet,
    "onset": OnsetNet,
    "resnet": ResNet,
}
"""Architecture name → builder of (model settings, mel bands, labels)."""


def build_model(config: ModelConfig, n_mels: int, n_labels: int) -> nn.Module:
    """Return the untrained network that `config` names.

    Its `forward` takes log-mel of shape (batch, frames, n_mels) and returns logits of shape (batch, n_labels).
    Raises `ValueError` for a name that is not in the registry.
    """
    if config.name not in REGISTRY:
        msg = f"model: unknown architecture {config.name!r}; known: {', '.join(sorted(REGISTRY))}"
        raise ValueError(msg)
    return REGISTRY[config.name](config, n_mels, n_labels)
