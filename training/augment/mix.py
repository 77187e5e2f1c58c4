"""Mixtures of two sounds."""

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
    """Return the mean power of each sample's loudest tenth, shape (batch,).

    A clap fills a tenth of a window: its level is that of the clap, not of the silence around it.
    """
    frames = power.sum(dim=2)  # (batch, frames)
    return frames.topk(max(1, int(frames.shape[1] * _LOUD_SHARE)), dim=1).values.mean(dim=1)


def mix_at_snr(signal: Tensor, noise: Tensor, snr_db: Tensor) -> Tensor:
    """Add `noise` to `signal` at a signal-to-noise ratio.

    Both are power of shape (batch, frames, mels); `snr_db` has the shape (batch,). The signal keeps its level. If the
    signal or the noise is silent, the noise is added unchanged.
    """
    level, floor = loudness(signal), noise.sum(dim=2).mean(dim=1)
    audible = (level > _EPSILON) & (floor > _EPSILON)
    gain = torch.where(audible, level / floor.clamp_min(_EPSILON) / from_db(snr_db), torch.ones_like(level))
    return signal + noise * gain[:, None, None]


def snr_to_target(snr_db: Tensor) -> Tensor:
    """Return the target of a background by its signal-to-noise ratio.

    It is 1 at 0 dB and below, 0 from 20 dB on, in the shape of `snr_db`.
    """
    return (1.0 - snr_db / 20.0).clamp(0.0, 1.0)


def mixup(inputs: Tensor, targets: Tensor, alpha: float, generator: Generator) -> tuple[Tensor, Tensor]:
    """Blend each sample and its targets with another one (mixup, Zhang et al., ICLR 2018).

    Both arrays have the batch first. The shares are drawn from Beta(alpha, alpha).
    """
    size = len(inputs)
    # torch cannot draw from Beta with a given generator
    rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
    share = torch.from_numpy(rng.beta(alpha, alpha, size)).to(inputs.dtype)
    order = torch.randperm(size, generator=generator)
    return _blend(inputs, order, share), _blend(targets, order, share)


def _blend(values: Tensor, order: Tensor, share: Tensor) -> Tensor:
    share = share.reshape(-1, *[1] * (values.dim() - 1))
    return share * values + (1.0 - share) * values[order]
