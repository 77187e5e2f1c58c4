"""Noise, backgrounds and mixtures of waveforms."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.waveforms import RATE_HZ, above, level_db, make_rng, tone
from training.sound.noise import (
    BACKGROUND_SNR_DB,
    NOISE_SNR_DB,
    add_noise,
    loud_power,
    make_coloured_noise,
    mix_at_snr,
    mixup,
)


@pytest.mark.parametrize("snr_db", NOISE_SNR_DB)
def test_noise_has_the_ratio_asked_for(snr_db: float) -> None:
    """Noise lies 5 or 15 dB below the sound."""
    sound = tone(440.0)
    assert level_db(sound) - level_db(add_noise(sound, RATE_HZ, snr_db, make_rng()) - sound) == pytest.approx(
        snr_db, abs=0.01
    )


def test_noise_has_its_colour() -> None:
    """Pink noise falls by 3 dB an octave, white noise does not."""
    for slope_db, share in ((0.0, 0.5), (-3.0, 0.13)):
        assert above(make_coloured_noise(8 * RATE_HZ, RATE_HZ, slope_db, make_rng()), 4_000.0) == pytest.approx(
            share, abs=0.03
        )


@pytest.mark.parametrize("snr_db", BACKGROUND_SNR_DB)
def test_a_background_lies_below_the_loud_part(snr_db: float) -> None:
    """A short sound is compared by its loudest tenth; a background that is too short is repeated."""
    sound = np.concatenate((np.zeros(9 * 1_600, np.float32), tone(440.0, 0.1)))
    added = mix_at_snr(sound, tone(100.0, 0.3), RATE_HZ, snr_db, make_rng()) - sound
    assert level_db(sound[-1_600:]) - level_db(added) == pytest.approx(snr_db, abs=0.1)
    assert np.abs(added[-1_600:]).max() > 0


def test_a_background_stays_as_it_is_where_there_is_no_sound() -> None:
    """Silence has no ratio, and nothing behind it changes nothing."""
    assert np.array_equal(
        mix_at_snr(np.zeros(800, np.float32), tone(100.0)[:800], RATE_HZ, 9.0, make_rng()), tone(100.0)[:800]
    )
    assert np.array_equal(mix_at_snr(tone(100.0), np.zeros(0, np.float32), RATE_HZ, 9.0, make_rng()), tone(100.0))


def test_loudness_is_that_of_the_loudest_tenth() -> None:
    """Silence around a tone does not make it fainter."""
    assert loud_power(np.pad(tone(440.0, 0.2), (RATE_HZ, 0)), RATE_HZ) == pytest.approx(0.045, rel=0.02)
    assert loud_power(np.zeros(0, np.float32), RATE_HZ) == 0.0


def test_mixup_blends_by_the_share_it_returns() -> None:
    """The share of the first lies between 0 and 1 and weighs both."""
    one, other = tone(440.0), tone(880.0)
    mixed, share = mixup(one, other, 0.4, make_rng())
    assert 0.0 < share < 1.0
    assert np.allclose(mixed, share * one + (1 - share) * other, atol=1e-6)
