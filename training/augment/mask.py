"""Masks of log-mel features: stripes, patches, and silence at the start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Generator, Tensor


def _draw_stripe(batch: int, size: int, widest: int, generator: Generator) -> Tensor:
    """Draw a stripe of random place and width per sample, bool (batch, size)."""
    return _draw_span(batch, size, torch.randint(0, widest + 1, (batch, 1), generator=generator), generator)


def _draw_span(batch: int, size: int, width: Tensor | int, generator: Generator) -> Tensor:
    """Draw a stripe of given width at a random place, bool (batch, size)."""
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
    """Mask stripes of mel bands and frames (SpecAugment, Park et al., Interspeech 2019).

    Widths go up to `mel_mask` bands and `time_mask` frames; 2 + 2 stripes up to 20 wide are the published form. By
    default there is one stripe of frames, which should be shorter than a clap: a masked clap would keep its label.
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
    """Mask square patches in each sample (PatchAugment; 5 of 10 x 10 are published).

    There are `patches` squares of `size` frames by `size` bands. This is Cutout (DeVries & Taylor, arXiv:1708.04552) on
    a spectrogram: several holes, each wholly inside, so that neither a whole band nor a whole frame is lost. Squares
    may overlap; a spectrogram smaller than a square is masked as a whole.
    """
    batch, frames, mels = features.shape
    holes = torch.zeros(features.shape, dtype=torch.bool)
    for _ in range(patches):
        times = _draw_span(batch, frames, size, generator)
        holes |= times[:, :, None] & _draw_span(batch, mels, size, generator)[:, None, :]
    return features.masked_fill(holes, fill)


def silence_start(features: Tensor, which: Tensor, fill: float, generator: Generator) -> Tensor:
    """Silence the first frames of the samples that `which` marks.

    `which` is bool, shape (batch,). Between 1 and all but 6 frames are silenced. Every stream begins like this: a
    network must not take a sudden start of sound for a shot.
    """
    batch, frames, _ = features.shape
    begin = torch.randint(1, frames - 5, (batch, 1), generator=generator)
    silent = (torch.arange(frames) < begin) & which[:, None]
    return features.masked_fill(silent[:, :, None], fill)
