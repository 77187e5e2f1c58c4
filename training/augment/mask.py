"""Parts of a picture taken away, and silence before a stream begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Generator, Tensor


def _stripe(batch: int, size: int, widest: int, generator: Generator) -> Tensor:
    """Return a stripe of random place and width for each sample, shape (batch, size) of bool."""
    width = torch.randint(0, widest + 1, (batch, 1), generator=generator)
    start = (torch.rand((batch, 1), generator=generator) * (size - width + 1)).long()
    steps = torch.arange(size)
    return (steps >= start) & (steps < start + width)


def spec_augment(features: Tensor, mel_mask: int, time_mask: int, fill: float, generator: Generator) -> Tensor:
    """Fill two stripes of mel bands and one of frames in each sample (SpecAugment, Park et al. 2019).

    Widths go up to `mel_mask` bands and `time_mask` frames. The stripe of frames is to be shorter than
    a clap: a masked clap would keep its label.
    """
    batch, frames, mels = features.shape
    bands = _stripe(batch, mels, mel_mask, generator) | _stripe(batch, mels, mel_mask, generator)
    times = _stripe(batch, frames, time_mask, generator)
    return features.masked_fill(bands[:, None, :] | times[:, :, None], fill)


def silence_before(features: Tensor, which: Tensor, fill: float, generator: Generator) -> Tensor:
    """Silence the first frames, all but 6 at most, of the samples that `which` (batch,) of bool chooses.

    So begins every stream: a network must not hear a shot where sound starts all at once.
    """
    batch, frames, _ = features.shape
    begin = torch.randint(1, frames - 5, (batch, 1), generator=generator)
    silent = (torch.arange(frames) < begin) & which[:, None]
    return features.masked_fill(silent[:, :, None], fill)
