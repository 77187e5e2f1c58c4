"""CNN6 of the PANNs (Kong et al. 2020): a reference, not for devices.

The paper is "Large-scale pretrained audio neural networks". For 64 mel bands and ten labels it stores 4,574,287
numbers, including the running statistics and counters of its norms; 4,572,234 of these are parameters.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from torch import Tensor, nn

from training.models.blocks import ConvNorm, MaxMeanHead, MelNorm

if TYPE_CHECKING:
    from training.config import ModelConfig

CHANNELS = (64, 128, 256, 512)
_HEAD_DROPOUT = (0.5, 0.0)


class PooledBlock(nn.Sequential):
    """A 5x5 convolution that halves both axes afterwards."""

    def __init__(self, c_in: int, c_out: int, dropout: float) -> None:
        """Map (batch, c_in, time, mel) to (batch, c_out, time // 2, mel // 2)."""
        super().__init__(ConvNorm(c_in, c_out, (5, 5)), nn.AvgPool2d(2), nn.Dropout(dropout))


class Cnn6(nn.Module):
    """A norm of each mel band, four blocks, and two dense layers."""

    def __init__(self, config: ModelConfig, n_mels: int, n_labels: int) -> None:
        """Build the network for `n_mels` bands (at least 16) and `n_labels` labels.

        Of `config` only the dropout of the blocks is read; 0.2, the default, is the published one.
        """
        super().__init__()
        self.norm = MelNorm(n_mels)
        pairs = itertools.pairwise((1, *CHANNELS))
        self.features = nn.Sequential(*(PooledBlock(c_in, c_out, config.dropout) for c_in, c_out in pairs))
        self.head = MaxMeanHead(CHANNELS[-1], n_labels, _HEAD_DROPOUT)
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(layer.weight)
            if isinstance(layer, nn.Linear):
                nn.init.zeros_(layer.bias)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Map log-mel of shape (batch, frames, n_mels) to logits of shape (batch, n_labels).

        There must be at least 16 frames.
        """
        logits: Tensor = self.head(self.features(self.norm(log_mel).unsqueeze(1)))
        return logits
