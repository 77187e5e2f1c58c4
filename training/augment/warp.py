"""Changes of tempo and pitch: log-mel features stretched along one axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from edge.frontend.mel import hz_to_mel
from training.augment.colour import band_centres_hz

if TYPE_CHECKING:
    from torch import Tensor

    from edge.frontend.params import FrontEndParams


def time_stretch(features: Tensor, speed: float) -> Tensor:
    """Play samples of shape (batch, frames, mels) `speed` times as fast.

    The result has round(frames / speed) frames, interpolated in the logarithm. 0.8 and 1.2 are the published speeds.
    Raises `ValueError` unless `speed` is above 0.
    """
    if not speed > 0.0:
        msg = f"time stretch: speed is {speed}, it must be above 0"
        raise ValueError(msg)
    frames = features.shape[1]
    at = (torch.arange(round(frames / speed)) * speed).clamp_max(frames - 1)
    below = at.long()
    above = (below + 1).clamp_max(frames - 1)
    return torch.lerp(features[:, below], features[:, above], (at - below)[:, None])


def pitch_shift(features: Tensor, semitones: Tensor, params: FrontEndParams) -> Tensor:
    """Shift the pitch of samples, shape (batch, frames, mels), by `semitones`, (batch,).

    2 up and down are the published values. All frequencies are multiplied by one factor, so low bands move less than
    high ones. Bands without a source are silent.
    """
    batch, frames, mels = features.shape
    centres = band_centres_hz(params).double()
    source_hz = centres / 2.0 ** (semitones.double()[:, None] / 12.0)  # (batch, mels)
    first, last = (float(hz_to_mel(float(centre))) for centre in (centres[0], centres[-1]))
    mel = torch.from_numpy(hz_to_mel(source_hz.numpy()))
    at = (mel - first) / (last - first) * (mels - 1)
    below = at.floor().long().clamp(0, mels - 1)
    part = (at - below).clamp(0.0, 1.0).to(features.dtype)

    def take_bands(index: Tensor) -> Tensor:
        return features.gather(2, index[:, None, :].expand(batch, frames, mels))

    moved = torch.lerp(take_bands(below), take_bands((below + 1).clamp_max(mels - 1)), part[:, None, :])
    outside = at.round().clamp(0, mels - 1) != at.round()
    return moved.masked_fill(outside[:, None, :], params.silence)
