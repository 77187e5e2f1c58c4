"""Microphones, codecs, clipping and filters."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.waveforms import RATE_HZ, above, click, level_db, make_rng, tone
from training.sound.device import CODECS, apply_codec, apply_microphone, band_limit, clip_hard, clip_soft
from training.sound.noise import (
    make_coloured_noise,
)
from training.sound.spectrum import filter_spectrum, find_fast_length


def test_a_band_limit_leaves_nothing_above_and_all_below() -> None:
    """Frequencies above the band of 8 kHz are gone; a tone below stays."""
    assert level_db(band_limit(tone(5_000.0), RATE_HZ, 8_000)[800:-800]) < level_db(tone(5_000.0)) - 60
    assert np.allclose(band_limit(tone(1_000.0), RATE_HZ, 8_000)[800:-800], tone(1_000.0)[800:-800], atol=2e-3)
    assert np.array_equal(band_limit(tone(5_000.0), RATE_HZ, 44_100), tone(5_000.0))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", CODECS)
def test_a_codec_keeps_a_sound_in_its_place_and_changes_it(name: str, seed: int) -> None:
    """The decoded sound has the same position and is similar, not equal; full scale may be exceeded."""
    sound = filter_spectrum(
        np.pad(make_coloured_noise(4_000, RATE_HZ, -3.0, make_rng()), 4_000), RATE_HZ, lambda hz: 3.0 / (1 + hz / 500)
    )
    heard = apply_codec(sound, RATE_HZ, name, make_rng(seed))
    alike = np.fft.irfft(np.fft.rfft(heard) * np.conj(np.fft.rfft(sound)))
    assert alike.argmax() == 0
    assert alike.max() > 0.7 * np.linalg.norm(heard) * np.linalg.norm(sound)
    assert not np.allclose(heard, sound, atol=1e-3)


def test_an_unknown_codec_is_named_with_the_known_ones() -> None:
    """The error lists the known codecs."""
    with pytest.raises(ValueError, match=r"'aac'; known: vorbis, opus"):
        apply_codec(tone(440.0), RATE_HZ, "aac", make_rng())


def test_microphones_differ_and_do_not_ring_ahead() -> None:
    """Two microphones colour noise differently, and before an attack there is next to nothing."""
    noise = make_coloured_noise(RATE_HZ, RATE_HZ, 0.0, make_rng())
    shares = [above(apply_microphone(noise, RATE_HZ, 4.0, make_rng(seed)), 2_000.0) for seed in range(8)]
    assert max(shares) > min(shares) + 0.1
    heard = apply_microphone(click(), RATE_HZ, 0.0, make_rng())
    assert np.sum(np.square(heard[:3_990])) < 1e-3 * np.sum(np.square(heard))


def test_clipping_holds_the_loud_and_leaves_the_quiet() -> None:
    """Peaks are lowered by the decibels asked for; hard clipping leaves lower samples unchanged."""
    sound = tone(440.0)
    for clip in (clip_hard, clip_soft):
        assert np.abs(clip(sound, 6.0)).max() == pytest.approx(0.3 * 10 ** (-6 / 20), rel=0.05)
    quiet = np.abs(sound) < 0.1
    assert np.array_equal(clip_hard(sound, 6.0)[quiet], sound[quiet])


def test_a_filter_does_not_run_into_the_begin() -> None:
    """Ringing at the end of a clip is cut, not wrapped around."""
    late = filter_spectrum(click(RATE_HZ - 8), RATE_HZ, lambda hz: np.exp(-2j * np.pi * hz * 0.01))
    assert np.abs(late).max() < 1e-6


def test_fast_lengths_are_near_and_not_below() -> None:
    """A quarter longer at most, and made of 2, 3 and 5."""
    for n in (9, 1_000, 1_025, 160_000, 164_001, 262_145):
        assert n <= find_fast_length(n) <= 1.25 * n + 8
    assert find_fast_length(163_840) == 163_840
