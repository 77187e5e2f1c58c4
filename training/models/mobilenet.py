"""A MobileNetV2 (Sandler et al. 2018) for one-channel log-mel: few multiplications, for processors that count them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from training.models.blocks import ConvNorm, TimePoolHead, after_stride

if TYPE_CHECKING:
    from training.config import ModelConfig


class InvertedResidual(nn.Module):
    """Widen (1x1), filter each channel (3x3), narrow (1x1); added to the input when the shapes agree."""

    def __init__(self, c_in: int, c_out: int, expand: int, stride: tuple[int, int]) -> None:
        """Leave the widening out for an `expand` of 1: a plain separable block."""
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


class MobileNet(nn.Module):
    """A stem of stride 2, the table of stages, and the pooling head."""

    def __init__(self, config: ModelConfig, n_mels: int, n_labels: int) -> None:
        """Build the network for features of `n_mels` bands and `n_labels` independent labels."""
        super().__init__()
        blocks: list[nn.Module] = [ConvNorm(1, config.stem, (3, 3), (2, 2))]
        width, bands = config.stem, after_stride(n_mels, 2)
        for stage in config.stages:
            for index in range(stage.repeats):
                stride = (stage.stride_time, stage.stride_mel) if index == 0 else (1, 1)
                blocks.append(InvertedResidual(width, stage.channels, stage.expand, stride))
                width, bands = stage.channels, after_stride(bands, stride[1])
        self.features = nn.Sequential(*blocks)
        self.head = TimePoolHead(width, bands, config.head, config.dropout, n_labels)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Map log-mel of shape (batch, frames, n_mels) to logits of shape (batch, n_labels)."""
        logits: Tensor = self.head(self.features(log_mel.unsqueeze(1)))
        return logits
