"""Two sounds at once: what a street is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from training.augment.power import from_db

if TYPE_CHECKING:
    from torch import Generator, Tensor

_LOUD_SHARE = 0.1
_EPSILON = 1e-12


def loudness(power: Tensor) -> Tensor:
    """Return the mean power of the loudest tenth of each sample's frames, shape (batch,).

    A clap fills a tenth of a window: its level is that of the clap, not of the silence around it.
    """
    frames = power.sum(dim=2)  # (batch, frames)
    return frames.topk(max(1, int(frames.shape[1] * _LOUD_SHARE)), dim=1).values.mean(dim=1)


def mix_at_snr(signal: Tensor, noise: Tensor, snr_db: Tensor) -> Tensor:
    """Add `noise` to `signal`, both power of shape (batch, frames, mels), at `snr_db` of shape (batch,).

    The signal keeps its level. Where it is silent, or the noise is, the noise is added as it is.
    """
    level, floor = loudness(signal), noise.sum(dim=2).mean(dim=1)
    audible = (level > _EPSILON) & (floor > _EPSILON)
    gain = torch.where(audible, level / floor.clamp_min(_EPSILON) / from_db(snr_db), torch.ones_like(level))
    return signal + noise * gain[:, None, None]


def snr_to_target(snr_db: Tensor) -> Tensor:
    """Return how far a background is to be reported, shape of `snr_db`: 1 at 0 dB and below, 0 from 20 dB on."""
    return (1.0 - snr_db / 20.0).clamp(0.0, 1.0)


def mixup(inputs: Tensor, targets: Tensor, alpha: float, generator: Generator) -> tuple[Tensor, Tensor]:
    """Blend each sample, and its targets by the same share, with another of the batch (Zhang et al., ICLR 2018).

    Both have the batch first. The shares are drawn from Beta(alpha, alpha).
    """
    size = len(inputs)
    # torch draws no Beta from a generator of one's own
    rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
    share = torch.from_numpy(rng.beta(alpha, alpha, size)).to(inputs.dtype)
    order = torch.randperm(size, generator=generator)
    return _blend(inputs, order, share), _blend(targets, order, share)


def _blend(values: Tensor, order: Tensor, share: Tensor) -> Tensor:
    share = share.reshape(-1, *[1] * (values.dim() - 1))
    return share * values + (1.0 - share) * values[order]
