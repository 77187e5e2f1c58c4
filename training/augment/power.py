"""Conversion between features and the power of each mel band."""

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
    """Convert band powers to features by the front end's logarithm."""
    return (torch.log(power + params.log_floor) + params.offset) * params.scale


def from_db(level_db: Tensor) -> Tensor:
    """Return the power ratio of a level in decibels."""
    return torch.pow(10.0, level_db / 10.0)


def draw_uniform(shape: tuple[int, ...], low: float, high: float, generator: Generator) -> Tensor:
    """Draw uniformly from low to high."""
    return torch.rand(shape, generator=generator) * (high - low) + low


def draw_mask(batch: int, chance: float, generator: Generator) -> Tensor:
    """Draw a mask of a batch with this chance, bool (batch,)."""
    return torch.rand(batch, generator=generator) < chance
