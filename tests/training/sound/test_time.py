"""Stretches and shifts of waveforms."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.waveforms import RATE_HZ, click, level_db, make_rng, pitch_hz, tone
from training.sound.noise import (
    make_coloured_noise,
)
from training.sound.time import SEMITONES, SPEEDS, pitch_shift, time_stretch


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("hz", [90.0, 440.0, 3_000.0])
def test_a_stretch_changes_the_length_and_not_the_pitch(speed: float, hz: float) -> None:
    """A tone lasts 1 / speed as long, sounds as high and as loud."""
    out = time_stretch(tone(hz), RATE_HZ, speed)
    assert out.size == round(RATE_HZ / speed)
    assert pitch_hz(out) == pytest.approx(hz, rel=0.005)
    assert level_db(out) == pytest.approx(level_db(tone(hz)), abs=0.5)


def test_a_stretch_at_its_own_speed_is_the_sound() -> None:
    """Speed 1 finds every frame where it was."""
    noise = make_coloured_noise(RATE_HZ, RATE_HZ, 0.0, make_rng())
    assert np.allclose(time_stretch(noise, RATE_HZ, 1.0), noise, atol=1e-5)


def test_a_stretch_moves_an_attack_to_its_new_place() -> None:
    """An attack at 0.5 s moves to 0.5 s / speed, within the search of WSOLA."""
    out = time_stretch(click(8_000), RATE_HZ, 0.8)
    assert np.flatnonzero(np.abs(out) > 0.1)[0] == pytest.approx(10_000, abs=round(0.012 * RATE_HZ))


def test_a_stretch_refuses_a_speed_of_0() -> None:
    """A speed of 0 is an error."""
    with pytest.raises(ValueError, match="speed is 0"):
        time_stretch(tone(440.0), RATE_HZ, 0.0)


@pytest.mark.parametrize("semitones", [*SEMITONES, 0.5])
@pytest.mark.parametrize("rate_hz", [16_000, 8_000])
def test_a_shift_changes_the_pitch_and_not_the_length(semitones: float, rate_hz: int) -> None:
    """A tone moves by semitones, at the published two and between."""
    out = pitch_shift(tone(880.0, 1.0, rate_hz), rate_hz, semitones)
    assert out.size == rate_hz
    assert pitch_hz(out, rate_hz) == pytest.approx(880.0 * 2.0 ** (semitones / 12.0), rel=0.005)
