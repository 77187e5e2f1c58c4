"""SP4SC (Puy, Jain and Bursuc, DCASE 2021): a separable CNN6 for small devices.

For 256 mel bands and ten labels its authors count 64,335 numbers and, once the norms are folded, 62,474. The first
count is of all that a checkpoint stores: 62,922 parameters, and the running statistics and counters of the norms.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from torch import Tensor, nn

from training.models.blocks import MaxMeanHead, MelNorm, SumNorm

if TYPE_CHECKING:
    from training.config import ModelConfig

CHANNELS = (64, 128, 128, 128)
_DILATION = 2


class SeparableBlock(nn.Sequential):
    """Block of a 1x1 convolution, a filter along time plus one along mel, and pooling.

    The filters have 3 taps, 2 apart. A norm follows, and both axes are halved.
    """

    def __init__(self, c_in: int, c_out: int) -> None:
        """Map (batch, c_in, time, mel) to (batch, c_out, time // 2, mel // 2)."""
        filters = SumNorm(_make_filter(c_out, (3, 1)), _make_filter(c_out, (1, 3)))
        super().__init__(nn.Conv2d(c_in, c_out, 1, bias=False), filters, nn.ReLU(), nn.AvgPool2d(2))


def _make_filter(channels: int, kernel: tuple[int, int]) -> nn.Conv2d:
    """Return a filter of each channel that keeps the size."""
    padding = (kernel[0] // 2 * _DILATION, kernel[1] // 2 * _DILATION)
    return nn.Conv2d(channels, channels, kernel, padding=padding, dilation=_DILATION, groups=channels, bias=False)


class Sp4sc(nn.Module):
    """A norm of each mel band, four separable blocks, and the head of CNN6."""

    def __init__(self, config: ModelConfig, n_mels: int, n_labels: int) -> None:
        """Build the network for `n_mels` bands (at least 16) and `n_labels` labels.

        The head has as many hidden units as channels. Of `config` only the dropout is read; 0.2, the default, is the
        published one.
        """
        super().__init__()
        self.norm = MelNorm(n_mels)
        self.features = nn.Sequential(*itertools.starmap(SeparableBlock, itertools.pairwise((1, *CHANNELS))))
        self.head = MaxMeanHead(CHANNELS[-1], n_labels, (config.dropout, config.dropout))

    def forward(self, log_mel: Tensor) -> Tensor:
        """Map log-mel of shape (batch, frames, n_mels) to logits of shape (batch, n_labels).

        There must be at least 16 frames.
        """
        logits: Tensor = self.head(self.features(self.norm(log_mel).unsqueeze(1)))
        return logits
