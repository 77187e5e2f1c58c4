"""Chain of augmentations for training batches."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import torch

from training.augment.batch import Batch
from training.augment.colour import band_limit, colour, draw_noise, reverberate, sparsify
from training.augment.level import apply_gain, clip_to_full_scale
from training.augment.mask import patch_augment, silence_start, spec_augment
from training.augment.mix import mix_at_snr, snr_to_target
from training.augment.power import draw_mask, draw_uniform, to_features, to_power
from training.augment.space import simulate_distance

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Generator, Tensor

    from edge.frontend.params import FrontEndParams
    from training.config import AugmentConfig


_METRES, _MASKED_DB = (5.0, 300.0), (15.0, 40.0)


@dataclasses.dataclass(frozen=True, slots=True)
class Augmenter:
    """All augmentations of a recipe, in their order."""

    config: AugmentConfig
    params: FrontEndParams
    impulsive: Tensor
    """Mask of the impulsive labels, bool, shape (labels,)."""
    quiet_label: int | None
    """The label of a window without sound, if there is one."""

    def __call__(self, batch: Batch, backgrounds: Batch, generator: Generator) -> Batch:
        """Augment a batch, with as many backgrounds; return the same shapes."""
        config, params = self.config, self.params
        size = len(batch.features)
        power = to_power(batch.features, params)
        power = _change_some(
            power,
            config.p_distance,
            generator,
            lambda x: simulate_distance(x, _draw_distances(len(x), generator), params),
        )
        power = _change_some(power, config.p_reverb, generator, lambda x: reverberate(x, params, generator))
        power = _change_some(power, config.p_colour, generator, lambda x: colour(x, config.tilt_db, generator))
        batch = dataclasses.replace(batch, features=power)
        order = torch.randperm(size, generator=generator)
        batch = _mix(batch, _reorder(batch, order), config.p_mixup, (-6.0, 6.0), generator)
        hidden = dataclasses.replace(backgrounds, features=to_power(backgrounds.features, params))
        batch = _mix(batch, hidden, config.p_background, config.snr_db, generator)
        batch = self._silence_some(batch, generator)
        features = to_features(self._add_recorder(batch.features, generator), params)
        stripes = (config.mel_stripes, config.time_stripes)
        features = spec_augment(features, config.mel_mask, config.time_mask, params.silence, generator, *stripes)
        features = _change_some(
            features, config.p_patch, generator, lambda x: patch_augment(x, params.silence, generator)
        )
        lasting = ~(batch.target[:, self.impulsive] > 0).any(dim=1)
        starts = draw_mask(size, config.p_left_silence, generator) & lasting
        return dataclasses.replace(batch, features=silence_start(features, starts, params.silence, generator))

    def _add_recorder(self, power: Tensor, generator: Generator) -> Tensor:
        """Apply a recorder's gain, noise, clipping, codec and band limit."""
        config, params, size = self.config, self.params, len(power)
        power = apply_gain(power, draw_uniform((size,), *config.gain_db, generator))
        hiss = draw_noise((size, *power.shape[1:]), draw_uniform((size,), -95.0, -50.0, generator), params, generator)
        power = power + hiss * draw_mask(size, config.p_noise, generator)[:, None, None]
        power = clip_to_full_scale(power)
        lost_db = float(draw_uniform((1,), *_MASKED_DB, generator)) if config.p_codec else 0.0
        power = _change_some(power, config.p_codec, generator, lambda x: sparsify(x, lost_db))
        return _change_some(power, config.p_band_limit, generator, lambda x: band_limit(x, params, generator))

    def _silence_some(self, batch: Batch, generator: Generator) -> Batch:
        """Replace some samples by digital silence.

        Only the quiet label holds there, or no label.
        """
        quiet = draw_mask(len(batch.features), self.config.p_silence, generator)
        nothing = torch.zeros_like(batch.target[0])
        if self.quiet_label is not None:
            nothing[self.quiet_label] = 1.0
        return Batch(
            features=batch.features.masked_fill(quiet[:, None, None], 0.0),
            target=torch.where(quiet[:, None], nothing, batch.target),
            sure=torch.where(quiet[:, None], torch.ones_like(nothing), batch.sure),
            soft=torch.where(quiet[:, None], nothing, batch.soft),
            logits=batch.logits,
            logits_weight=None if batch.logits_weight is None else batch.logits_weight.masked_fill(quiet, 0.0),
        )


def _draw_distances(size: int, generator: Generator) -> Tensor:
    """Draw distances of 5 to 300 m, log-uniform, shape (size,)."""
    low, high = _METRES
    return torch.exp(draw_uniform((size,), math.log(low), math.log(high), generator))


def _change_some(power: Tensor, chance: float, generator: Generator, change: Callable[[Tensor], Tensor]) -> Tensor:
    """Change randomly chosen samples, and leave the others."""
    if not chance:  # draws no random number for an absent augmentation, so that a new setting changes no old run
        return power
    which = draw_mask(len(power), chance, generator)
    if not which.any():
        return power
    out = power.clone()
    out[which] = change(power[which])
    return out


def _mix(batch: Batch, other: Batch, chance: float, snr_db: tuple[float, float], generator: Generator) -> Batch:
    """Mix other sounds and their labels into randomly chosen samples."""
    size = len(batch.features)
    which = draw_mask(size, chance, generator)
    ratio_db = draw_uniform((size,), *snr_db, generator)
    audible = (snr_to_target(ratio_db) * which)[:, None]
    mixed = mix_at_snr(batch.features, other.features, ratio_db)
    logits, weight = _mix_logits(batch, other, audible)
    return Batch(
        logits=logits,
        logits_weight=weight,
        features=torch.where(which[:, None, None], mixed, batch.features),
        target=torch.maximum(batch.target, other.target * audible),
        sure=torch.where(which[:, None], torch.minimum(batch.sure, other.sure), batch.sure),
        soft=torch.maximum(batch.soft, other.soft * audible),
    )


def _mix_logits(batch: Batch, other: Batch, audible: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """Raise the logits towards those of the other sound, as far as it is audible.

    The teacher never scored the mixture, so the logits get less weight.
    """
    if batch.logits is None or other.logits is None or batch.logits_weight is None or other.logits_weight is None:
        return batch.logits, batch.logits_weight
    raised = batch.logits + audible * (other.logits - batch.logits).clamp_min(0.0)
    part = audible.squeeze(1)
    return raised, batch.logits_weight * (1.0 - part + 0.5 * part * other.logits_weight)


def _reorder(batch: Batch, order: Tensor) -> Batch:
    return Batch(
        features=batch.features[order],
        target=batch.target[order],
        sure=batch.sure[order],
        soft=batch.soft[order],
        logits=None if batch.logits is None else batch.logits[order],
        logits_weight=None if batch.logits_weight is None else batch.logits_weight[order],
    )
