"""A small residual network of plain 3x3 convolutions for one vector processor core.

Depthwise convolutions save multiplications but not time on processors with wide vectors: at equal latency in ONNX
Runtime a plain convolution does three times the arithmetic, and trains three times as fast. Early strides make the maps
small before the channels grow; later strides shorten the mel axis only, so that time keeps steps of 8 frames and the
head sees a shot in the last of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from training.models.blocks import ConvNorm, TimePoolHead, divide_by_stride

if TYPE_CHECKING:
    from training.config import ModelConfig


class Residual(nn.Module):
    """Two 3x3 convolutions (He et al. 2016); the input is added when the shapes agree."""

    def __init__(self, c_in: int, c_out: int, stride: tuple[int, int]) -> None:
        """Build the block, with the stride in the first convolution."""
        super().__init__()
        self.body = nn.Sequential(ConvNorm(c_in, c_out, (3, 3), stride), ConvNorm(c_out, c_out, (3, 3), act=False))
        self.act = nn.ReLU()
        self.skips = stride == (1, 1) and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, c_in, time, mel) to (batch, c_out, time', mel')."""
        y: Tensor = self.body(x)
        activated: Tensor = self.act(x + y if self.skips else y)
        return activated


class ResNet(nn.Module):
    """A stem of stride 2, the table of stages, and the pooling head."""

    def __init__(self, config: ModelConfig, n_mels: int, n_labels: int) -> None:
        """Build the network for `n_mels` bands and `n_labels` independent labels."""
        super().__init__()
        blocks: list[nn.Module] = [ConvNorm(1, config.stem, (3, 3), (2, 2))]
        width, bands = config.stem, divide_by_stride(n_mels, 2)
        for stage in config.stages:
            for index in range(stage.repeats):
                stride = (stage.stride_time, stage.stride_mel) if index == 0 else (1, 1)
                if stage.residual:
                    blocks.append(Residual(width, stage.channels, stride))
                else:
                    blocks.append(ConvNorm(width, stage.channels, (3, 3), stride))
                width, bands = stage.channels, divide_by_stride(bands, stride[1])
        self.features = nn.Sequential(*blocks)
        self.head = TimePoolHead(width, bands, config.head, config.dropout, n_labels)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Map log-mel of shape (batch, frames, n_mels) to logits of shape (batch, n_labels)."""
        logits: Tensor = self.head(self.features(log_mel.unsqueeze(1)))
        return logits
