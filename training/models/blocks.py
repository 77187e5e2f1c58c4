"""What the architectures share: a convolution with its norm, and the head that pools over time."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConvNorm(nn.Sequential):
    """A convolution, its batch norm and, unless it closes a block, a ReLU."""

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: tuple[int, int] = (1, 1),
        stride: tuple[int, int] = (1, 1),
        groups: int = 1,
        *,
        pad: bool = True,
        act: bool = True,
    ) -> None:
        """Pad so that stride 1 keeps the size, unless `pad` is off: then the kernel must fit."""
        padding = (kernel[0] // 2, kernel[1] // 2) if pad else (0, 0)
        conv = nn.Conv2d(c_in, c_out, kernel, stride, padding, groups=groups, bias=False)
        norm = nn.BatchNorm2d(c_out)
        super().__init__(conv, norm, *([nn.ReLU(inplace=True)] if act else []))


class TimePoolHead(nn.Module):
    """Collapses the mel axis by a learned filter, pools time by mean and by maximum, and classifies.

    The maximum lets one short event at the very end of a window speak as loudly as a long one.
    """

    def __init__(self, width: int, bands: int, hidden: int, dropout: float, n_labels: int) -> None:
        """Expect maps of `width` channels and `bands` mel steps."""
        super().__init__()
        self.collapse = ConvNorm(width, width, (1, bands), groups=width, pad=False)
        self.widen = ConvNorm(width, hidden)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(2 * hidden, n_labels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, width, steps, bands) to logits of shape (batch, n_labels)."""
        x = self.widen(self.collapse(x)).squeeze(3)  # (batch, hidden, steps)
        pooled = torch.cat((x.mean(dim=2), x.amax(dim=2)), dim=1)  # (batch, 2 * hidden)
        logits: Tensor = self.classifier(self.dropout(pooled))
        return logits


def after_stride(size: int, stride: int) -> int:
    """Return the length of an axis after a padded 3-tap convolution of this stride."""
    return -(-size // stride)
