"""The registry of architectures: names and builders."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edge.errors import ConfigError, suggest
from edge.frontend.params import FrontEndParams
from training.models.cnn6 import Cnn6
from training.models.mobilenet import MobileNet
from training.models.onset import OnsetNet
from training.models.resnet import ResNet
from training.models.resnet34 import ResNet34
from training.models.sp4sc import Sp4sc
from training.models.streamnet import STEM_STRIDE, StreamNet

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from training.config import ModelConfig

REGISTRY: dict[str, Callable[[ModelConfig, int, int], nn.Module]] = {
    "cnn6": Cnn6,
    "mobilenet": MobileNet,
    "onset": OnsetNet,
    "resnet": ResNet,
    "resnet34": ResNet34,
    "sp4sc": Sp4sc,
    "streamnet": StreamNet,
}
"""Architecture name → builder of (model settings, mel bands, labels)."""


def build_model(config: ModelConfig, n_mels: int, n_labels: int) -> nn.Module:
    """Build the untrained network named by `config`.

    Its `forward` takes log-mel of shape (batch, frames, n_mels) and returns logits of shape (batch, n_labels). Raises
    `ConfigError` for a name that is not in the registry.
    """
    if config.name not in REGISTRY:
        msg = f"the architecture {config.name!r} is unknown"
        raise ConfigError(msg, where="model", remedy=suggest(config.name, sorted(REGISTRY)))
    return REGISTRY[config.name](config, n_mels, n_labels)


def compute_step_frames(config: ModelConfig) -> int:
    """Return the frames between two decisions of the network described by `config`.

    Raises `ConfigError` for a streaming network whose strides do not divide the training window.
    """
    usual = FrontEndParams()
    if config.name != "streamnet":
        return usual.decision_frames
    step = STEM_STRIDE[0] * math.prod(stage.stride_time for stage in config.stages)
    if step < 1 or usual.window_frames % step:
        msg = f"{step} frames between decisions do not divide a window of {usual.window_frames}"
        raise ConfigError(msg, where="config: model.stages")
    return step
