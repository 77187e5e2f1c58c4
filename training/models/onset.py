"""Network for single onsets: plain convolutions and a dense layer without pooling.

A crop is aligned to its onset, so the position in time and frequency matters, and each has its own weight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from edge.claps.crop import CLAP_FRONT_END
from training.models.blocks import ConvNorm, divide_by_stride

if TYPE_CHECKING:
    from training.config import ModelConfig


class OnsetNet(nn.Module):
    """A stem that halves the mel axis, the table of stages, and two dense layers."""

    def __init__(self, config: ModelConfig, n_mels: int, n_labels: int) -> None:
        """Build the network for crops of an onset.

        A crop has `CLAP_FRONT_END.window_frames` frames of `n_mels` bands.
        """
        super().__init__()
        blocks: list[nn.Module] = [ConvNorm(1, config.stem, (3, 3), (1, 2))]
        width, frames, bands = config.stem, CLAP_FRONT_END.window_frames, divide_by_stride(n_mels, 2)
        for stage in config.stages:
            for index in range(stage.repeats):
                stride = (stage.stride_time, stage.stride_mel) if index == 0 else (1, 1)
                blocks.append(ConvNorm(width, stage.channels, (3, 3), stride))
                width = stage.channels
                frames, bands = divide_by_stride(frames, stride[0]), divide_by_stride(bands, stride[1])
        self.features = nn.Sequential(*blocks)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(width * frames * bands, config.head),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.head, n_labels),
        )

    def forward(self, log_mel: Tensor) -> Tensor:
        """Map log-mel of shape (batch, window_frames, n_mels) to logits of shape (batch, n_labels)."""
        logits: Tensor = self.head(self.features(log_mel.unsqueeze(1)))
        return logits
