"""Parts of a picture taken away, and silence before a stream begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Generator, Tensor


def _draw_stripe(batch: int, size: int, widest: int, generator: Generator) -> Tensor:
    """Return a stripe of random place and width for each sample, shape (batch, size) of bool."""
    return _draw_span(batch, size, torch.randint(0, widest + 1, (batch, 1), generator=generator), generator)


def _draw_span(batch: int, size: int, width: Tensor | int, generator: Generator) -> Tensor:
    """Return a stripe of a given width at a random place for each sample, shape (batch, size) of bool."""
    last = torch.as_tensor(size - width + 1).clamp_min(1)
    start = (torch.rand((batch, 1), generator=generator) * last).long()
    steps = torch.arange(size)
    return (steps >= start) & (steps < start + width)


def spec_augment(
    features: Tensor,
    mel_mask: int,
    time_mask: int,
    fill: float,
    generator: Generator,
    mel_stripes: int = 2,
    time_stripes: int = 1,
) -> Tensor:
    """Fill stripes of mel bands and of frames in each sample (SpecAugment, Park et al., Interspeech 2019).

    Widths go up to `mel_mask` bands and `time_mask` frames; 2 + 2 stripes up to 20 wide are the published form. By
    default there is one stripe of frames, and it is to be shorter than a clap: a masked clap would keep its label.
    """
    batch, frames, mels = features.shape
    bands = torch.zeros((batch, mels), dtype=torch.bool)
    for _ in range(mel_stripes):
        bands |= _draw_stripe(batch, mels, mel_mask, generator)
    times = torch.zeros((batch, frames), dtype=torch.bool)
    for _ in range(time_stripes):
        times |= _draw_stripe(batch, frames, time_mask, generator)
    return features.masked_fill(bands[:, None, :] | times[:, :, None], fill)


def patch_augment(features: Tensor, fill: float, generator: Generator, patches: int = 5, size: int = 10) -> Tensor:
    """Fill `patches` squares of `size` frames by `size` bands in each sample (PatchAugment; 5 of 10 x 10 as published).

    Cutout (DeVries & Taylor, arXiv:1708.04552) on a spectrogram: several holes, each wholly inside the picture, so that
    neither a whole band nor a whole moment is lost. Squares may overlap; a picture that is smaller is filled.
    """
    batch, frames, mels = features.shape
    holes = torch.zeros(features.shape, dtype=torch.bool)
    for _ in range(patches):
        times = _draw_span(batch, frames, size, generator)
        holes |= times[:, :, None] & _draw_span(batch, mels, size, generator)[:, None, :]
    return features.masked_fill(holes, fill)


def silence_start(features: Tensor, which: Tensor, fill: float, generator: Generator) -> Tensor:
    """Silence the first frames, all but 6 at most, of the samples that `which` (batch,) of bool chooses.

    So begins every stream: a network must not hear a shot where sound starts all at once.
    """
    batch, frames, _ = features.shape
    begin = torch.randint(1, frames - 5, (batch, 1), generator=generator)
    silent = (torch.arange(frames) < begin) & which[:, None]
    return features.masked_fill(silent[:, :, None], fill)
