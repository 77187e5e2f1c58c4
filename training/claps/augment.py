"""Augmentation of clap crops: another microphone, more noise, a shift of a frame.

Each crop is augmented each time it is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from edge.claps.crop import CLAP_FRONT_END
from training.augment.colour import colour, draw_noise
from training.augment.mask import spec_augment
from training.augment.power import draw_mask, draw_uniform, to_features, to_power

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from training.config import ClapsConfig

_HISS_DB = (-60.0, -30.0)  # an onset's own frames are near -20 dB
_P_COLOUR = 0.7


def augment_crops(crops: Tensor, config: ClapsConfig, generator: Generator) -> Tensor:
    """Augment crops of shape (n, window_frames, n_mels)."""
    size, params = len(crops), CLAP_FRONT_END
    power = to_power(crops, params)
    coloured = colour(power, config.tilt_db, generator)
    power = torch.where(draw_mask(size, _P_COLOUR, generator)[:, None, None], coloured, power)
    hiss = draw_noise((size, *crops.shape[1:]), draw_uniform((size,), *_HISS_DB, generator), params, generator)
    power = power + hiss * draw_mask(size, config.p_noise, generator)[:, None, None]
    features = _shift(to_features(power, params), generator)
    return spec_augment(features, config.mel_mask, 0, params.silence, generator)


def _shift(features: Tensor, generator: Generator) -> Tensor:
    """Shift each crop by a frame at most.

    Frames that leave at one end come in at the other.
    """
    moves = torch.randint(-1, 2, (len(features), 1), generator=generator)
    frames = (torch.arange(features.shape[1]) - moves) % features.shape[1]  # (n, frames)
    return features.gather(1, frames[:, :, None].expand_as(features))
