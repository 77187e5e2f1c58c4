"""Published augmentations on log-mel: masks, mixes, warps, air and walls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from edge.frontend.mel import log_mel
from edge.frontend.params import FrontEndParams
from training.augment.colour import add_noise, band_centres_hz, sparsify
from training.augment.mask import patch_augment, spec_augment
from training.augment.mix import mixup
from training.augment.power import to_power
from training.augment.space import apply_response, simulate_distance
from training.augment.warp import pitch_shift, time_stretch
from training.sound.claps import add_room
from training.sound.rooms import air_absorption_db_per_m, make_street_response

if TYPE_CHECKING:
    from torch import Generator, Tensor

PARAMS = FrontEndParams()
SILENCE = PARAMS.silence
RATE_HZ = PARAMS.sample_rate_hz


def seeded(seed: int = 1) -> Generator:
    return torch.Generator().manual_seed(seed)


def compute_mel(samples: np.ndarray) -> Tensor:
    """Return the front end's features of a sound, shape (1, frames, mels)."""
    return torch.from_numpy(log_mel(samples.astype(np.float32), PARAMS))[None]


def tone(hz: float) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * hz * np.arange(RATE_HZ) / RATE_HZ)


def noise(seconds: float = 1.0) -> np.ndarray:
    return np.random.default_rng(5).normal(0.0, 0.1, round(seconds * RATE_HZ))


def test_the_published_masks_are_two_and_two_up_to_twenty() -> None:
    """At most 40 bands and 40 frames go, and with seeds enough nearly as many do."""
    picture = torch.zeros(64, 100, 64)
    masked = spec_augment(picture, 20, 20, 1.0, seeded(), mel_stripes=2, time_stripes=2) == 1.0
    bands, frames = masked.all(dim=1).sum(dim=1), masked.all(dim=2).sum(dim=1)
    assert 30 < bands.max() <= 40
    assert 30 < frames.max() <= 40
    runs = (masked.all(dim=2).int().diff(dim=1, prepend=torch.zeros(64, 1, dtype=torch.int)) == 1).sum(dim=1)
    assert runs.max() == 2


def test_no_stripes_leave_the_picture() -> None:
    """A count of 0 turns a kind of mask off."""
    picture = torch.zeros(4, 96, 64)
    assert torch.equal(spec_augment(picture, 20, 20, 1.0, seeded(), mel_stripes=0, time_stripes=0), picture)


def test_patches_are_squares_that_spare_every_band_and_frame() -> None:
    """Five squares of 10 by 10 mask 100 to 500 cells, and no whole row."""
    holes = patch_augment(torch.zeros(64, 96, 64), 1.0, seeded()) == 1.0
    cells = holes.sum(dim=(1, 2))
    assert cells.min() >= 100
    assert 400 < cells.max() <= 500
    assert not holes.all(dim=1).any()
    assert not holes.all(dim=2).any()
    assert torch.equal(patch_augment(torch.zeros(1, 20, 20), 1.0, seeded(3), 1).sum(), torch.tensor(100.0))


def test_patches_are_seeded_and_fill_what_is_smaller() -> None:
    """One seed, one set of holes; a picture under 10 by 10 is one hole."""
    picture = torch.rand(4, 96, 64, generator=seeded())
    assert torch.equal(patch_augment(picture, 0.0, seeded()), patch_augment(picture, 0.0, seeded()))
    assert not torch.equal(patch_augment(picture, 0.0, seeded()), patch_augment(picture, 0.0, seeded(2)))
    assert patch_augment(torch.zeros(2, 6, 8), 1.0, seeded()).all()


def test_mixup_blends_targets_as_it_blends_pictures() -> None:
    """Every sample is a blend of two, its targets by the same share; the same seed gives the same."""
    pictures = torch.eye(8)[:, :, None].expand(8, 8, 4)
    mixed, targets = mixup(pictures, torch.eye(8), 0.4, seeded())
    assert torch.allclose(mixed[:, :, 0], targets)
    assert torch.allclose(targets.sum(dim=1), torch.ones(8))
    assert ((targets > 0.01) & (targets < 0.99)).any()
    assert torch.equal(mixup(pictures, torch.eye(8), 0.4, seeded())[0], mixed)


def test_shares_follow_beta() -> None:
    """The shares of Beta(0.2, 0.2) lie near 0 and 1, those of Beta(20, 20) near a half."""
    edges, middle = (mixup(torch.eye(400), torch.eye(400), alpha, seeded())[1].amax(dim=1) for alpha in (0.2, 20.0))
    assert edges.median() > 0.9
    assert middle.median() < 0.65


@pytest.mark.parametrize("speed", [0.8, 1.2])
def test_a_stretch_is_that_of_the_picture_of_a_stretch(speed: float) -> None:
    """A chirp's picture, stretched, is near the picture of a slower or faster chirp."""
    at = np.arange(2 * RATE_HZ) / RATE_HZ
    chirps = [np.sin(2 * np.pi * (500 * t + 400 * t**2)) for t in (at, at[: round(at.size / speed)] * speed)]
    stretched, wanted = time_stretch(compute_mel(chirps[0]), speed), compute_mel(chirps[1])
    assert stretched.shape[1] == round(compute_mel(chirps[0]).shape[1] / speed)
    frames = min(stretched.shape[1], wanted.shape[1]) - 4
    loudest = (picture[0, :frames].argmax(dim=1) for picture in (stretched, wanted))
    first, second = loudest
    # a chirp that is played slower is lower too: the bands of its tone are `speed` times apart
    centres = band_centres_hz(PARAMS)
    assert (centres[second] / centres[first]).median().item() == pytest.approx(speed, rel=0.1)


def test_a_stretch_refuses_a_speed_of_0() -> None:
    """A speed of 0 is an error."""
    with pytest.raises(ValueError, match="speed is 0"):
        time_stretch(torch.zeros(1, 10, 4), 0.0)


@pytest.mark.parametrize("semitones", [-2.0, 2.0])
def test_a_shift_moves_a_tone_to_where_it_would_sound(semitones: float) -> None:
    """The loudest band is that of a tone two semitones higher or lower."""
    for hz in (400.0, 1_500.0, 4_000.0):
        shifted = pitch_shift(compute_mel(tone(hz)), torch.tensor([semitones]), PARAMS)
        there = compute_mel(tone(hz * 2 ** (semitones / 12)))
        assert abs(shifted[0, 20].argmax() - there[0, 20].argmax()) <= 1


def test_a_shift_by_nothing_is_nothing_and_what_comes_from_beyond_is_silence() -> None:
    """0 semitones keep the picture; an octave down leaves the upper bands silent, an octave up the lowest ones."""
    picture = compute_mel(noise()).expand(3, -1, -1)
    out = pitch_shift(picture, torch.tensor([0.0, -12.0, 12.0]), PARAMS)
    assert torch.allclose(out[0], picture[0], atol=1e-4)
    assert (out[1, :, -1] == SILENCE).all()
    assert (out[2, :, 0] == SILENCE).all()
    assert not (out[2, :, -1] == SILENCE).any()


@pytest.mark.parametrize("snr_db", [5.0, 15.0])
def test_noise_has_the_ratio_asked_for(snr_db: float) -> None:
    """What is added lies 5 or 15 dB below each sample's mean power."""
    power = to_power(compute_mel(noise()), PARAMS).expand(4, -1, -1)
    added = add_noise(power, torch.full((4,), snr_db), PARAMS, seeded()) - power
    assert torch.allclose(10 * torch.log10(power.sum((1, 2)) / added.sum((1, 2))), torch.full((4,), snr_db), atol=0.01)


def test_noise_leaves_silence() -> None:
    """A silent sample has no ratio: it stays silent."""
    assert not add_noise(torch.zeros(2, 96, 64), torch.zeros(2), PARAMS, seeded()).any()


def test_a_codec_drops_what_the_loud_masks() -> None:
    """Bands more than 30 dB below their frame's loudest go, the others stay as they are."""
    power = torch.tensor([[[1.0, 0.01, 0.0009]]])
    assert sparsify(power, 30.0).tolist() == [[[1.0, pytest.approx(0.01), 0.0]]]


def test_distance_is_that_of_the_waveform() -> None:
    """100 m take 40 dB and the air's share of every band."""
    lost_db = -10 * torch.log10(simulate_distance(torch.ones(1, 1, 64), torch.tensor([100.0]), PARAMS)).flatten()
    air = 100.0 * air_absorption_db_per_m(band_centres_hz(PARAMS).numpy())
    assert lost_db.tolist() == pytest.approx((40.0 + air).tolist(), abs=1e-3)


def test_a_street_on_power_is_near_the_street_on_the_waveform() -> None:
    """The tail of a burst falls alike in both, within 3 dB on the mean of all bands."""
    response = make_street_response(RATE_HZ, np.random.default_rng(1))
    burst = np.pad(noise(0.1), (4_000, 10_000)).astype(np.float32)
    heard = to_power(compute_mel(add_room(burst, response)), PARAMS)[0].sum(dim=1)
    made = apply_response(to_power(compute_mel(burst), PARAMS), response, PARAMS)[0].sum(dim=1)
    audible = heard > heard.max() * 1e-4
    assert audible.sum() > 12
    assert (10 * torch.log10(made / heard))[audible].abs().mean() < 3.0
