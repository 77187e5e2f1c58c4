"""Augmentations: seeded, pure, and true to their words."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from edge.frontend.mel import log_mel
from edge.frontend.params import FrontEndParams
from training.augment.augmenter import Augmenter
from training.augment.batch import Batch
from training.augment.colour import band_centres_hz, band_limit, colour, draw_noise, reverberate
from training.augment.level import apply_gain, clip_to_full_scale
from training.augment.mask import silence_start, spec_augment
from training.augment.mix import loudness, mix_at_snr, snr_to_target
from training.augment.power import to_features, to_power
from training.config import AugmentConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Generator, Tensor

PARAMS = FrontEndParams()
SILENCE = PARAMS.silence


def seeded(seed: int = 1) -> Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def features() -> Tensor:
    """Eight windows of noise bursts, as the front end sees them."""
    rng = np.random.default_rng(2)
    waves = rng.normal(0, 0.1, (8, PARAMS.window_samples)) * (rng.random((8, 1)) + 0.1)
    waves[:, : PARAMS.window_samples // 3] *= 0.01
    return torch.from_numpy(np.stack([log_mel(wave.astype(np.float32), PARAMS) for wave in waves]))


AUGMENTATIONS: dict[str, Callable[[Tensor, Generator], Tensor]] = {
    "colour": lambda x, g: colour(to_power(x, PARAMS), 10.0, g),
    "band_limit": lambda x, g: band_limit(to_power(x, PARAMS), PARAMS, g),
    "reverberate": lambda x, g: reverberate(to_power(x, PARAMS), PARAMS, g),
    "noise": lambda x, g: draw_noise((8, 96, 64), torch.full((8,), -60.0), PARAMS, g),
    "spec_augment": lambda x, g: spec_augment(x, 10, 5, SILENCE, g),
    "silence_before": lambda x, g: silence_start(x, torch.ones(8, dtype=torch.bool), SILENCE, g),
}


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_seed_decides_and_the_input_stays(name: str, features: Tensor) -> None:
    """The same seed gives the same result, another seed another, and the input is as it was."""
    augment, before = AUGMENTATIONS[name], features.clone()
    once, again, other = augment(features, seeded()), augment(features, seeded()), augment(features, seeded(2))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    assert torch.equal(features, before)
    assert once.isfinite().all()


def test_power_and_features_are_inverse(features: Tensor) -> None:
    """There and back changes nothing, and digital silence has no power."""
    assert torch.allclose(to_features(to_power(features, PARAMS), PARAMS), features, atol=2e-5)
    assert to_power(torch.full((1, 1, 1), SILENCE), PARAMS).item() == pytest.approx(0.0, abs=1e-13)


def test_mixing_waves_and_mixing_power_agree() -> None:
    """The power mix of two sounds is close to the front end's view of their sum."""
    rng = np.random.default_rng(4)
    one, two = (rng.normal(0, 0.1, PARAMS.window_samples).astype(np.float32) for _ in range(2))
    powers = [to_power(torch.from_numpy(log_mel(wave, PARAMS)), PARAMS) for wave in (one, two, one + two)]
    assert (powers[0] + powers[1]).sum().item() == pytest.approx(powers[2].sum().item(), rel=0.02)


def test_the_mix_has_the_ratio_asked_for(features: Tensor) -> None:
    """What is added lies `snr_db` below the loudest tenth of the signal."""
    signal, other = to_power(features, PARAMS), to_power(features.flip(0), PARAMS)
    ratio_db = torch.linspace(-5.0, 20.0, 8)
    added = mix_at_snr(signal, other, ratio_db) - signal
    measured = 10 * torch.log10(loudness(signal) / added.sum(dim=2).mean(dim=1))
    assert torch.allclose(measured, ratio_db, atol=1e-2)


def test_silence_takes_the_background_as_it_is(features: Tensor) -> None:
    """Without a signal there is no ratio, so the background keeps its level."""
    background = to_power(features, PARAMS)
    assert torch.equal(mix_at_snr(torch.zeros_like(background), background, torch.zeros(8)), background)


def test_a_faint_background_is_not_reported() -> None:
    """A background counts wholly at 0 dB, not at all 20 dB below."""
    assert snr_to_target(torch.tensor([-5.0, 0.0, 10.0, 20.0, 30.0])).tolist() == [1.0, 1.0, 0.5, 0.0, 0.0]


def test_a_band_limit_only_takes_away(features: Tensor) -> None:
    """No band gains, the middle bands stay, and the top of at least one sample is gone."""
    power = to_power(features, PARAMS)
    limited = band_limit(power, PARAMS, seeded())
    centres = band_centres_hz(PARAMS)
    middle = (centres > 500) & (centres < 1400)
    assert (limited <= power).all()
    assert torch.equal(limited[:, :, middle], power[:, :, middle])
    assert (limited[:, :, -1] < power[:, :, -1] * 1e-6).any()


def test_gain_is_in_decibels() -> None:
    """10 dB are ten times the power."""
    assert apply_gain(torch.ones(2, 1, 1), torch.tensor([10.0, -20.0])).flatten().tolist() == pytest.approx(
        [10.0, 0.01]
    )


def test_clipping_holds_the_loud_and_leaves_the_quiet() -> None:
    """A frame above full scale comes down to about full scale; one below stays as it is."""
    power = torch.stack([torch.full((1, 64), 1.0), torch.full((1, 64), 1e-4)])
    clipped = clip_to_full_scale(power)
    assert clipped[0].sum().item() == pytest.approx(0.35, rel=0.05)
    assert torch.equal(clipped[1], power[1])


def test_noise_has_its_level() -> None:
    """Noise of -40 dBFS has that mean square, give or take its colour."""
    power = draw_noise((64, 96, 64), torch.full((64,), -40.0), PARAMS, seeded())
    assert 10 * np.log10(power.sum(dim=2).mean().item()) == pytest.approx(-40.0, abs=4.0)


def test_a_room_adds_a_tail_and_keeps_the_direct_sound() -> None:
    """After a click the power falls, but not at once."""
    click = torch.zeros(4, 96, 64)
    click[:, 10] = 1.0
    wet = reverberate(click, PARAMS, seeded())
    assert torch.equal(wet[:, 10], click[:, 10])
    assert (wet[:, :10] == 0).all()
    assert (wet[:, 11:40].sum(dim=(1, 2)) > 0).all()
    assert (wet[:, 12:60, 0].diff(dim=1) <= 0).all()


def test_silence_comes_first_and_ends(features: Tensor) -> None:
    """Silenced frames are the first ones, and the last six always sound; other samples stay."""
    which = torch.tensor([True] * 4 + [False] * 4)
    out = silence_start(features, which, SILENCE, seeded())
    silent = (out == SILENCE).all(dim=2)
    assert silent[:4, 0].all()
    assert not silent[:4, -6:].any()
    assert (silent[:4].int().diff(dim=1) <= 0).all()
    assert torch.equal(out[4:], features[4:])


def recipe(**changes: Any) -> Augmenter:
    return Augmenter(AugmentConfig(**changes), PARAMS, torch.tensor([False, True, False]), 0)


def batch(features: Tensor, label: int) -> Batch:
    target = torch.zeros(len(features), 3)
    target[:, label] = 1.0
    return Batch(features, target, torch.ones_like(target), target.clone())


def test_the_recipe_is_seeded_and_pure(features: Tensor) -> None:
    """One seed gives one batch, and the input is unchanged."""
    sounds, behind = batch(features, 1), batch(features.flip(0), 2)
    before = features.clone()
    once, again = recipe()(sounds, behind, seeded()), recipe()(sounds, behind, seeded())
    assert torch.equal(once.features, again.features)
    assert torch.equal(once.target, again.target)
    assert torch.equal(features, before)
    assert once.features.isfinite().all()
    assert once.features.min() >= SILENCE - 1e-4


def test_the_recipe_reports_what_it_mixes_in(features: Tensor) -> None:
    """A background at 0 dB brings its label; the sound keeps its own."""
    loud = recipe(p_background=1.0, snr_db=(0.0, 0.0), p_mixup=0.0, p_silence=0.0)
    out = loud(batch(features, 1), batch(features, 2), seeded())
    assert out.target.tolist() == [[0.0, 1.0, 1.0]] * 8


def test_silence_is_only_background(features: Tensor) -> None:
    """Where the recipe makes silence, the quiet label holds and no other."""
    out = recipe(p_silence=1.0, p_noise=0.0, mel_mask=0, time_mask=0)(batch(features, 1), batch(features, 2), seeded())
    assert out.target.tolist() == [[1.0, 0.0, 0.0]] * 8
    assert torch.allclose(out.features, torch.full_like(out.features, SILENCE), atol=1e-3)


def test_a_short_sound_is_never_silenced(features: Tensor) -> None:
    """Silence before a stream is laid over lasting sounds alone: a silenced shot would keep its label."""
    always = recipe(p_left_silence=1.0, p_silence=0.0, p_mixup=0.0, p_background=0.0, mel_mask=0, time_mask=0)
    lasting, short = (always(batch(features, label), batch(features, 2), seeded()) for label in (2, 1))
    assert (lasting.features[:, 0] == SILENCE).all()
    assert not (short.features[:, 0] == SILENCE).all(dim=1).any()


def test_logits_rise_to_what_is_mixed_in_and_weigh_less(features: Tensor) -> None:
    """At 0 dB a class of the public teacher is as likely as in either sound, and the mixture counts half."""
    loud = recipe(p_background=1.0, snr_db=(0.0, 0.0), p_mixup=0.0, p_silence=0.0)
    weight = torch.ones(len(features))
    sounds = dataclasses.replace(
        batch(features, 1), logits=torch.tensor([[1.0, -1.0]]).repeat(8, 1), logits_weight=weight
    )
    behind = dataclasses.replace(
        batch(features, 2), logits=torch.tensor([[0.0, 2.0]]).repeat(8, 1), logits_weight=weight
    )
    out = loud(sounds, behind, seeded())
    assert out.logits is not None
    assert out.logits_weight is not None
    assert out.logits.tolist() == [[1.0, 2.0]] * 8
    assert out.logits_weight.tolist() == [0.5] * 8


def test_silence_teaches_no_logits(features: Tensor) -> None:
    """The logit teacher has no weight where the augmenter makes silence."""
    sounds = dataclasses.replace(batch(features, 1), logits=torch.ones(8, 2), logits_weight=torch.ones(8))
    out = recipe(p_silence=1.0, p_background=0.0, p_mixup=0.0)(sounds, batch(features, 2), seeded())
    assert out.logits_weight is not None
    assert out.logits_weight.tolist() == [0.0] * 8


@pytest.mark.parametrize("name", ["p_patch", "p_distance", "p_codec"])
def test_what_a_recipe_may_add_changes_every_sample_it_is_given(features: Tensor, name: str) -> None:
    """Patches, distance and codec losses have chances like the others, and are off without one."""
    nothing = dict.fromkeys(
        ("p_background", "p_mixup", "p_silence", "p_noise", "p_reverb", "p_colour", "p_band_limit", "p_left_silence"),
        0.0,
    )
    plain, changed = (
        recipe(**nothing, mel_mask=0, time_mask=0, **{name: chance})(batch(features, 2), batch(features, 2), seeded())
        for chance in (0.0, 1.0)
    )
    different = (plain.features - changed.features).abs().amax(dim=(1, 2)) > 1e-3
    assert different.all()
    assert changed.features.isfinite().all()
