"""Augmentations of waveforms: of one length, seeded, and calm about silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.support.waveforms import RATE_HZ, Samples, click, level_db, make_rng, tone
from training.sound.chain import vary
from training.sound.claps import add_room
from training.sound.device import CODECS, apply_codec, apply_microphone, band_limit, clip_hard, clip_soft
from training.sound.noise import (
    add_noise,
    apply_gain,
    mix_at_snr,
    mixup,
)
from training.sound.rooms import (
    make_room_response,
    make_street_response,
    simulate_distance,
)
from training.sound.time import SEMITONES, pitch_shift

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator


def coded(name: str) -> Callable[[Samples, Generator], Samples]:
    return lambda samples, rng: apply_codec(samples, RATE_HZ, name, rng)


SAME_LENGTH: dict[str, Callable[[Samples, Generator], Samples]] = {
    "pitch_shift": lambda x, g: pitch_shift(x, RATE_HZ, g.uniform(*SEMITONES)),
    "gain": lambda x, g: apply_gain(x, g.uniform(-20.0, 6.0)),
    "mix_at_snr": lambda x, g: mix_at_snr(x, tone(300.0, 2.0) + tone(310.0, 2.0), RATE_HZ, 5.0, g),
    "add_noise": lambda x, g: add_noise(x, RATE_HZ, 15.0, g),
    "mixup": lambda x, g: mixup(x, x[::-1], 0.4, g)[0],
    "at_distance": lambda x, g: simulate_distance(x, RATE_HZ, g.uniform(5.0, 300.0), ground=0.7, detour_m=0.5),
    "room": lambda x, g: add_room(x, make_room_response(RATE_HZ, g)),
    "street": lambda x, g: add_room(x, make_street_response(RATE_HZ, g)),
    "band_limit": lambda x, g: band_limit(x, RATE_HZ, int(g.choice([8_000, 11_025]))),
    "microphone": lambda x, g: apply_microphone(x, RATE_HZ, 4.0, g),
    "clip_hard": lambda x, g: clip_hard(x, g.uniform(3.0, 20.0)),
    "clip_soft": lambda x, g: clip_soft(x, g.uniform(3.0, 20.0)),
    "vary": lambda x, g: vary(x, RATE_HZ, g),
    **{f"codec {name}": coded(name) for name in CODECS},
}


@pytest.mark.parametrize("name", SAME_LENGTH)
def test_length_type_and_input_stay_and_the_seed_decides(name: str) -> None:
    """As many float32 samples come out as went in; the input is as it was; one seed gives one result."""
    samples = tone(440.0, 0.7) * np.linspace(0.1, 1.0, 11_200, dtype=np.float32)
    before = samples.copy()
    once, again = SAME_LENGTH[name](samples, make_rng()), SAME_LENGTH[name](samples, make_rng())
    assert once.dtype == np.float32
    assert once.shape == samples.shape
    assert np.array_equal(once, again)
    assert np.array_equal(samples, before)
    assert np.isfinite(once).all()
    assert once.any()


@pytest.mark.parametrize("name", SAME_LENGTH)
@pytest.mark.parametrize("n", [1, 5, 400, 3_200])
def test_silence_and_scraps_stay_finite(name: str, n: int) -> None:
    """Digital silence, of any length, gives no NaN, and a scrap of sound keeps its length."""
    for samples in (np.zeros(n, np.float32), tone(440.0)[:n]):
        out = SAME_LENGTH[name](samples, make_rng(3))
        assert np.isfinite(out).all()
        assert out.size == n


def test_variations_differ_and_keep_the_level_and_the_place() -> None:
    """Copies differ from each other, stay within full scale, near the clip's level, and a click stays where it was."""
    sound = click() + 0.001 * tone(300.0)
    copies = [vary(sound, RATE_HZ, make_rng(seed)) for seed in range(40)]
    assert len({copy.tobytes() for copy in copies}) == 40
    assert max(np.abs(copy).max() for copy in copies) <= 1.0
    assert all(-13.0 < level_db(copy) - level_db(sound) < 7.0 for copy in copies)
    places = np.array([np.abs(copy).argmax() for copy in copies])
    assert np.mean(np.abs(places - 4_000) < 0.03 * RATE_HZ) > 0.8


def test_a_variation_of_nothing_is_nothing() -> None:
    """Silence stays silent, and an empty clip empty."""
    for seed in range(20):
        assert not vary(np.zeros(800, np.float32), RATE_HZ, make_rng(seed)).any()
        assert vary(np.zeros(0, np.float32), RATE_HZ, make_rng(seed)).size == 0
