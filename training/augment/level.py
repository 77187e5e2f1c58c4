"""Level changes of a batch: gain and clipping."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.augment.power import from_db

if TYPE_CHECKING:
    from torch import Tensor

_FULL_SCALE = 0.35
"""Mean square at which a frame begins to clip.

A sine of full scale has 0.5, a voice far less.
"""
_DISTORTION = 0.03
"""Share of the lost power that clipping spreads over all bands."""


def apply_gain(power: Tensor, gain_db: Tensor) -> Tensor:
    """Change the level of each sample by `gain_db` of shape (batch,)."""
    return power * from_db(gain_db)[:, None, None]


def clip_to_full_scale(power: Tensor) -> Tensor:
    """Limit frames to full scale, as a clipping converter does.

    A part of the lost power is spread over the bands.
    """
    total = power.sum(dim=2, keepdim=True)
    ratio = (_FULL_SCALE / total.clamp_min(1e-12)).clamp_max(1.0)
    return power * ratio + (1.0 - ratio) * (_FULL_SCALE * _DISTORTION / power.shape[2])
