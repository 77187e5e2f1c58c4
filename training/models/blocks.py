"""Shared blocks: convolutions with their norm, a feature norm, and pooling heads."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConvNorm(nn.Sequential):
    """A convolution, its batch norm and, unless `act` is off, a ReLU."""

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: tuple[int, int] = (1, 1),
        stride: tuple[int, int] = (1, 1),
        groups: int = 1,
        *,
        pad: bool | tuple[int, int] = True,
        act: bool = True,
    ) -> None:
        """Pad to keep the size at stride 1, or by `pad` steps and bands.

        Without `pad` the kernel must fit.
        """
        same = (kernel[0] // 2, kernel[1] // 2) if pad else (0, 0)
        padding = pad if isinstance(pad, tuple) else same
        conv = nn.Conv2d(c_in, c_out, kernel, stride, padding, groups=groups, bias=False)
        norm = nn.BatchNorm2d(c_out)
        super().__init__(conv, norm, *([nn.ReLU(inplace=True)] if act else []))


class SumNorm(nn.Module):
    """The sum of several convolutions of one input, with one batch norm."""

    def __init__(self, *branches: nn.Conv2d) -> None:
        """Take convolutions of the same channels and output size."""
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.norm: nn.Module = nn.BatchNorm2d(branches[0].out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, c_in, time, mel) to (batch, c_out, time', mel')."""
        first, *others = self.branches
        total = first(x)
        for branch in others:
            total = total + branch(x)
        y: Tensor = self.norm(total)
        return y


class MelNorm(nn.BatchNorm1d):
    """A batch norm of the features, one per mel band."""

    def forward(self, log_mel: Tensor) -> Tensor:
        """Map (batch, frames, n_mels) to the same shape."""
        return super().forward(log_mel.transpose(1, 2)).transpose(1, 2)


class TimePoolHead(nn.Module):
    """Head that filters the mel axis and pools time by mean and maximum.

    The maximum gives one short event at the very end of a window as much weight as a long one.
    """

    def __init__(self, width: int, bands: int, hidden: int, dropout: float, n_labels: int) -> None:
        """Build the head for maps of `width` channels and `bands` mel steps."""
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


class MaxMeanHead(nn.Module):
    """Head with the mean over mel, maximum plus mean over time, and two dense layers.

    As in Kong et al. 2020.
    """

    def __init__(self, width: int, n_labels: int, dropout: tuple[float, float]) -> None:
        """Build the head for maps of `width` channels.

        `dropout` holds the values before each of the two dense layers.
        """
        super().__init__()
        before, between = dropout
        hidden = nn.Linear(width, width)
        self.dense = nn.Sequential(
            nn.Dropout(before), hidden, nn.ReLU(), nn.Dropout(between), nn.Linear(width, n_labels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, width, steps, bands) to logits of shape (batch, n_labels)."""
        steps = x.mean(dim=3)  # (batch, width, steps)
        logits: Tensor = self.dense(steps.amax(dim=2) + steps.mean(dim=2))
        return logits


def divide_by_stride(size: int, stride: int) -> int:
    """Return an axis length after a padded 3-tap convolution of this stride."""
    return -(-size // stride)
