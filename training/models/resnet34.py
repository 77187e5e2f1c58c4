"""ResNet-34 (He et al. 2016) for one-channel log-mel: a reference, not for devices.

With ten labels it has 21,283,530 parameters: the 21,797,672 of the network for ImageNet, less two channels of the
first kernel and 990 classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from training.models.blocks import ConvNorm

if TYPE_CHECKING:
    from training.config import ModelConfig

STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
"""Channels and blocks of each stage."""


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut.

    A 1x1 convolution changes the shape of the shortcut if needed (option B of the paper).
    """

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        """Map (batch, c_in, time, mel) to (batch, c_out, time', mel')."""
        super().__init__()
        strides = (stride, stride)
        self.body = nn.Sequential(ConvNorm(c_in, c_out, (3, 3), strides), ConvNorm(c_out, c_out, (3, 3), act=False))
        same = stride == 1 and c_in == c_out
        self.shortcut = nn.Identity() if same else ConvNorm(c_in, c_out, (1, 1), strides, act=False)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, c_in, time, mel) to (batch, c_out, time', mel')."""
        y: Tensor = self.act(self.shortcut(x) + self.body(x))
        return y


class ResNet34(nn.Module):
    """A 7x7 stem, sixteen residual blocks, and the mean of the last maps."""

    def __init__(self, config: ModelConfig, n_mels: int, n_labels: int) -> None:  # noqa: ARG002 - built like all others
        """Build the published network; its size depends on the labels only."""
        super().__init__()
        width = STAGES[0][0]
        blocks: list[nn.Module] = [ConvNorm(1, width, (7, 7), (2, 2)), nn.MaxPool2d(3, 2, 1)]
        for at, (channels, repeats) in enumerate(STAGES):
            for index in range(repeats):
                blocks.append(BasicBlock(width, channels, 2 if at and not index else 1))
                width = channels
        self.features = nn.Sequential(*blocks)
        self.classifier = nn.Linear(width, n_labels)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, log_mel: Tensor) -> Tensor:
        """Map log-mel of shape (batch, frames, n_mels) to logits of shape (batch, n_labels)."""
        maps = self.features(log_mel.unsqueeze(1))  # (batch, 512, frames / 32, n_mels / 32)
        logits: Tensor = self.classifier(maps.mean(dim=(2, 3)))
        return logits
