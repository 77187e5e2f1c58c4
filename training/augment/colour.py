"""Spectral changes of a batch: microphones, rooms, noise and codecs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from edge.frontend.mel import hz_to_mel, mel_filterbank, mel_to_hz
from training.augment.power import draw_uniform, from_db

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from edge.frontend.params import FrontEndParams

_CURVE_POINTS = 6
_SLOPE_DB_PER_OCTAVE = 90.0
_DEEPEST_DB = 90.0


def band_centres_hz(params: FrontEndParams) -> Tensor:
    """Return the centre of each mel band, shape (n_mels,)."""
    edges = torch.linspace(float(hz_to_mel(params.fmin_hz)), float(hz_to_mel(params.fmax_hz)), params.n_mels + 2)
    return torch.from_numpy(mel_to_hz(edges[1:-1].double().numpy())).float()


def colour(power: Tensor, spread_db: float, generator: Generator) -> Tensor:
    """Weight the bands of each sample by a smooth random curve.

    The curve has a standard deviation of `spread_db` / 2.
    """
    points = torch.randn((len(power), 1, _CURVE_POINTS), generator=generator) * (spread_db / 2)
    curve_db = torch.nn.functional.interpolate(points, size=power.shape[2], mode="linear", align_corners=True)
    return power * from_db(curve_db)


def band_limit(power: Tensor, params: FrontEndParams, generator: Generator) -> Tensor:
    """Limit the frequency range of each sample.

    The upper limit is 1.5 to 8 kHz, half of the time near a telephone's 4 kHz; the lower one 40 to 400 Hz.
    """
    batch = len(power)
    wide = torch.exp(draw_uniform((batch,), math.log(1500.0), math.log(8000.0), generator))
    narrow = draw_uniform((batch,), 3400.0, 4000.0, generator)
    high = torch.where(torch.rand(batch, generator=generator) < 0.5, narrow, wide)  # noqa: PLR2004
    low = torch.exp(draw_uniform((batch,), math.log(40.0), math.log(400.0), generator))
    centres = band_centres_hz(params)
    octaves_out = torch.maximum(torch.log2(centres / high[:, None]), torch.log2(low[:, None] / centres) / 4)
    cut_db = -(octaves_out * _SLOPE_DB_PER_OCTAVE).clamp(0.0, _DEEPEST_DB)
    return power * from_db(cut_db)[:, None, :]


def reverberate(power: Tensor, params: FrontEndParams, generator: Generator) -> Tensor:
    """Add an exponential reverberation tail to each sample.

    It falls by 60 dB in 0.15 to 1.5 s and starts at -15 to 3 dB of the direct sound.
    """
    batch = len(power)
    rt60_s = torch.exp(draw_uniform((batch, 1), math.log(0.15), math.log(1.5), generator))
    decay = from_db(-60.0 / (rt60_s * params.frames_per_s))
    wet = from_db(draw_uniform((batch, 1), -15.0, 3.0, generator)) * (1.0 - decay)
    tail = torch.zeros_like(power[:, 0])
    out = [power[:, 0]]
    for frame in range(1, power.shape[1]):
        tail = decay * (tail + power[:, frame - 1])
        out.append(power[:, frame] + wet * tail)
    return torch.stack(out, dim=1)


def draw_noise(shape: tuple[int, int, int], level_db: Tensor, params: FrontEndParams, generator: Generator) -> Tensor:
    """Draw the band powers of steady coloured noise, shape (batch, frames, mels).

    `level_db` is in dBFS. A band of k bins fluctuates like the mean of k exponential variables: by 1 / sqrt(k).
    """
    bins = torch.from_numpy(mel_filterbank(params).sum(axis=0))  # (mels,)
    flat = from_db(level_db)[:, None, None] * bins / (params.n_fft / 2)
    spread = bins.clamp_min(1.0).rsqrt()
    exponential = -torch.log(torch.rand(shape, generator=generator).clamp_min(1e-9))
    return colour(flat * (1.0 - spread + spread * exponential), 12.0, generator)


def add_noise(power: Tensor, snr_db: Tensor, params: FrontEndParams, generator: Generator) -> Tensor:
    """Add steady coloured noise to each sample.

    It is `snr_db`, shape (batch,), below the sample's mean power; 5 and 15 dB are published values.
    """
    level = power.sum(dim=2).mean(dim=1)  # (batch,)
    hiss = draw_noise((len(power), power.shape[1], power.shape[2]), torch.zeros(len(power)), params, generator)
    wanted = level / from_db(snr_db) / hiss.sum(dim=2).mean(dim=1)
    return power + hiss * wanted[:, None, None]


def sparsify(power: Tensor, below_db: float) -> Tensor:
    """Silence the bands that are more than `below_db` below their frame's loudest.

    Perceptual coders spend no bits on what a louder sound masks, so at a low rate bands drop out for some frames.
    """
    audible = power.amax(dim=2, keepdim=True) * 10.0 ** (-below_db / 10.0)
    return torch.where(power >= audible, power, 0.0)
