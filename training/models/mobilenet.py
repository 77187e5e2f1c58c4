"""MobileNetV2 (Sandler et al. 2018) for one-channel log-mel.

It needs few multiplications. Stem and blocks are the published ones, with ReLU for ReLU6; the head uses one filter per
channel over all mel bands, and then pools over time.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from torch import Tensor, nn

from edge.errors import ConfigError
from training.config import Stage
from training.models.blocks import ConvNorm, TimePoolHead, divide_by_stride

if TYPE_CHECKING:
    from training.config import ModelConfig

_STEM, _HEAD = 32, 1280
_TABLE = (
    Stage(16, 1, 1, 1, expand=1),
    Stage(24, 2, 2, 2, expand=6),
    Stage(32, 3, 2, 2, expand=6),
    Stage(64, 4, 2, 2, expand=6),
    Stage(96, 3, 1, 1, expand=6),
    Stage(160, 3, 2, 2, expand=6),
    Stage(320, 1, 1, 1, expand=6),
)
"""Table 2 of the paper at width 1."""


class InvertedResidual(nn.Module):
    """Inverted residual block: widen (1x1), filter each channel (3x3), narrow (1x1).

    The input is added when the shapes agree.
    """

    def __init__(self, c_in: int, c_out: int, expand: int, stride: tuple[int, int]) -> None:
        """Build the block; an `expand` of 1 has no widening convolution."""
        super().__init__()
        wide = c_in * expand
        widen = [ConvNorm(c_in, wide)] if expand > 1 else []
        self.body = nn.Sequential(
            *widen, ConvNorm(wide, wide, (3, 3), stride, groups=wide), ConvNorm(wide, c_out, act=False)
        )
        self.skips = stride == (1, 1) and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, c_in, time, mel) to (batch, c_out, time', mel')."""
        y: Tensor = self.body(x)
        return x + y if self.skips else y


def make_published_table(width: float) -> tuple[int, tuple[Stage, ...], int]:
    """Return the stem channels, stages and head channels for a width multiplier.

    The head is widened but never narrowed, as in the paper. Raises `ConfigError` for a width of 0 or less.
    """
    if width <= 0:
        msg = f"{width} must be above 0"
        raise ConfigError(msg, where="config: model.width")
    stages = tuple(dataclasses.replace(stage, channels=round_to_8(stage.channels * width)) for stage in _TABLE)
    return round_to_8(_STEM * width), stages, round_to_8(_HEAD * max(1.0, width))


def round_to_8(channels: float) -> int:
    """Round channels to a multiple of 8.

    The result is at least nine tenths of `channels`.
    """
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


class MobileNet(nn.Module):
    """A stem of stride 2, the table of stages, and the pooling head."""

    def __init__(self, config: ModelConfig, n_mels: int, n_labels: int) -> None:
        """Build the network for `n_mels` bands and `n_labels` independent labels.

        Without stages in `config` it is the published table at `config.width`, with its own stem and head.
        """
        super().__init__()
        own = (config.stem, config.stages, config.head)
        stem, stages, head = own if config.stages else make_published_table(config.width)
        blocks: list[nn.Module] = [ConvNorm(1, stem, (3, 3), (2, 2))]
        width, bands = stem, divide_by_stride(n_mels, 2)
        for stage in stages:
            for index in range(stage.repeats):
                stride = (stage.stride_time, stage.stride_mel) if index == 0 else (1, 1)
                blocks.append(InvertedResidual(width, stage.channels, stage.expand, stride))
                width, bands = stage.channels, divide_by_stride(bands, stride[1])
        self.features = nn.Sequential(*blocks)
        self.head = TimePoolHead(width, bands, head, config.dropout, n_labels)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Map log-mel of shape (batch, frames, n_mels) to logits of shape (batch, n_labels)."""
        logits: Tensor = self.head(self.features(log_mel.unsqueeze(1)))
        return logits
