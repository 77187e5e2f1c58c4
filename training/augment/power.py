"""From features to the power of each mel band, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from edge.frontend.params import FrontEndParams


def to_power(features: Tensor, params: FrontEndParams) -> Tensor:
    """Invert the logarithm of `edge.frontend.mel.log_mel_from_power`; digital silence becomes 0."""
    return (torch.exp(features / params.scale - params.offset) - params.log_floor).clamp_min_(0.0)


def to_features(power: Tensor, params: FrontEndParams) -> Tensor:
    """Take the front end's logarithm of band powers."""
    return (torch.log(power + params.log_floor) + params.offset) * params.scale


def from_db(level_db: Tensor) -> Tensor:
    """Return the power ratio of a level in decibels."""
    return torch.pow(10.0, level_db / 10.0)


def uniform(shape: tuple[int, ...], low: float, high: float, generator: Generator) -> Tensor:
    """Draw evenly from low to high."""
    return torch.rand(shape, generator=generator) * (high - low) + low


def chosen(batch: int, chance: float, generator: Generator) -> Tensor:
    """Draw which samples of a batch something happens to, shape (batch,) of bool."""
    return torch.rand(batch, generator=generator) < chance
