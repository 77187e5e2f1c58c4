"""Streaming network, causal in time: a decision computes its new frames only.

Every convolution uses past frames only, and keeps the last frames it has seen (Rybakov et al. 2020, "Streaming keyword
spotting on mobile devices"): a window of 12 steps is not computed again to move it by one. A 2-D front, which treats
all pitches alike, shortens the mel axis; then the bands become channels and separable convolutions over time follow (as
in TC-ResNet, Choi et al. 2019), which distinguish high from low.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from training.models.blocks import ConvNorm, divide_by_stride

if TYPE_CHECKING:
    from training.config import ModelConfig

STEM_KERNEL, STEM_STRIDE = (4, 5), (4, 2)


@runtime_checkable
class Streaming(Protocol):
    """A network that can be run piece by piece."""

    @property
    def state_size(self) -> int:
        """Size of the state that a stream keeps between two pieces."""

    def sequence(self, log_mel: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Map log-mel and state to logits and the new state.

        Log-mel has the shape (batch, frames, mels), the state (batch, size), the logits (batch, decisions, labels).
        """


class StreamState:
    """The state of a stream, split and joined again layer by layer."""

    def __init__(self, state: Tensor) -> None:
        """Start at the beginning of `state`, shape (batch, size)."""
        self._state, self._at = state, 0
        self._kept: list[Tensor] = []

    def prepend(self, x: Tensor, shape: tuple[int, int, int]) -> Tensor:
        """Prepend the past to `x`, (batch, channels, steps, bands), and keep its end.

        `shape` is that of the past, without batch.
        """
        size = math.prod(shape)
        past = self._state[:, self._at : self._at + size].view(-1, *shape)
        self._at += size
        joined = torch.cat((past, x), dim=2)
        self._kept.append(joined[:, :, joined.shape[2] - shape[1] :].flatten(1))
        return joined

    def join(self) -> Tensor:
        """Return the new state, shape (batch, size)."""
        return torch.cat(self._kept, dim=1)


class CausalConv(ConvNorm):
    """A convolution with its norm over a step and the steps before it."""

    def __init__(
        self,
        c_in: int,
        c_out: int,
        bands: int,
        kernel: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        *,
        groups: int = 1,
        act: bool = True,
    ) -> None:
        """Build the layer for maps of `c_in` channels and `bands` mel steps.

        The mel axis is padded to keep its size at stride 1.
        """
        super().__init__(c_in, c_out, kernel, stride, groups, pad=(0, kernel[1] // 2), act=act)
        self.past_shape = (c_in, kernel[0] - stride[0], bands)

    def forward(self, x: Tensor, past: StreamState | None = None) -> Tensor:
        """Map (batch, c_in, steps, bands) to (batch, c_out, steps', bands').

        Without `past`, there is silence before the first step.
        """
        before = self.past_shape[1]
        if before:
            x = pad(x, (0, 0, before, 0)) if past is None else past.prepend(x, self.past_shape)
        for layer in self:
            x = layer(x)
        return x


class Residual(nn.Module):
    """Two causal convolutions, added to the input (He et al. 2016)."""

    def __init__(self, width: int, bands: int) -> None:
        """Build the block; it keeps the shape."""
        super().__init__()
        self.first = CausalConv(width, width, bands, (3, 3))
        self.second = CausalConv(width, width, bands, (3, 3), act=False)
        self.act = nn.ReLU()

    def forward(self, x: Tensor, past: StreamState | None = None) -> Tensor:
        """Map (batch, width, steps, bands) to the same shape."""
        y: Tensor = self.act(x + self.second(self.first(x, past), past))
        return y


class Separable(nn.Module):
    """Separable causal block (Chollet 2017): a filter per channel, then a channel mixture.

    It is added to the input.
    """

    def __init__(self, width: int, kernel: int) -> None:
        """Build the block; it keeps the shape (batch, width, steps, 1)."""
        super().__init__()
        self.depthwise = CausalConv(width, width, 1, (kernel, 1), groups=width, act=False)
        self.pointwise = ConvNorm(width, width, act=False)
        self.act = nn.ReLU()

    def forward(self, x: Tensor, past: StreamState | None = None) -> Tensor:
        """Map (batch, width, steps, 1) to the same shape."""
        y: Tensor = self.act(x + self.pointwise(self.depthwise(x, past)))
        return y


class StreamNet(nn.Module):
    """Stem, stages, separable blocks over time, and a head over the last `pool` steps."""

    def __init__(self, config: ModelConfig, n_mels: int, n_labels: int) -> None:
        """Build the network for `n_mels` bands and `n_labels` independent labels."""
        super().__init__()
        stem = CausalConv(1, config.stem, n_mels, STEM_KERNEL, STEM_STRIDE)
        blocks: list[nn.Module] = [stem]
        width, bands = config.stem, divide_by_stride(n_mels, STEM_STRIDE[1])
        for stage in config.stages:
            stride = (stage.stride_time, stage.stride_mel)
            # a stride of 2 sees 2 steps only: a longer kernel would need a state that costs more than it gains
            blocks.append(CausalConv(width, stage.channels, bands, (3 if stride[0] == 1 else stride[0], 3), stride))
            width, bands = stage.channels, divide_by_stride(bands, stride[1])
            blocks.extend(Residual(width, bands) for _ in range(stage.repeats - 1))
        self.front = nn.ModuleList(blocks)
        self.collapse = ConvNorm(width, config.tower, (1, bands), pad=False)
        self.tower = nn.ModuleList(Separable(config.tower, kernel) for kernel in config.kernels)
        self.widen = ConvNorm(config.tower, config.head)
        self.pool = config.pool
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(2 * config.head, n_labels)

    @property
    def state_size(self) -> int:
        """Size of the state that a stream keeps between two pieces."""
        layers = [layer for layer in self.modules() if isinstance(layer, CausalConv)]
        pooled: int = self.classifier.in_features // 2 * (self.pool - 1)
        return sum(math.prod(layer.past_shape) for layer in layers) + pooled

    def embed(self, log_mel: Tensor, past: StreamState | None = None) -> Tensor:
        """Map log-mel of shape (batch, frames, n_mels) to (batch, head, steps, 1).

        There is a step for every decision.
        """
        x = log_mel.unsqueeze(1)
        for block in self.front:
            x = block(x, past)
        x = self.collapse(x)
        for block in self.tower:
            x = block(x, past)
        y: Tensor = self.widen(x)
        return y

    def forward(self, log_mel: Tensor) -> Tensor:
        """Map log-mel (batch, frames, n_mels) to logits (batch, n_labels) at its end."""
        logits: Tensor = self.classifier(self.dropout(self.pool_steps(log_mel)))
        return logits

    def pool_steps(self, log_mel: Tensor) -> Tensor:
        """Map log-mel (batch, frames, n_mels) to its embedding, (batch, 2 * head)."""
        steps = self.embed(log_mel).squeeze(3)[:, :, -self.pool :]
        return torch.cat((steps.sum(dim=2) / self.pool, steps.amax(dim=2)), dim=1)

    def sequence(self, log_mel: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Map log-mel of k decisions and a state to logits and the new state.

        The state has the shape (batch, size), the logits (batch, k, labels).
        """
        past = StreamState(state)
        steps = self.embed(log_mel, past)
        steps = past.prepend(steps, (steps.shape[1], self.pool - 1, 1))
        mean = nn.functional.avg_pool2d(steps, (self.pool, 1), stride=1)
        highest = nn.functional.max_pool2d(steps, (self.pool, 1), stride=1)
        pooled = torch.cat((mean, highest), dim=1).squeeze(3).transpose(1, 2)
        return self.classifier(pooled), past.join()
