"""Waveforms of claps, and the scenes they are put into."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge.claps.confirm import check_physics
from edge.claps.crop import CLAP_FRONT_END
from tests.support.claps import row_of_claps, tone_burst
from training.sound.clap_scenes import (
    NEAR_SAMPLES,
    SceneSounds,
    cut_crops,
    detect_onsets,
    make_clap_scene,
    make_other_scene,
)
from training.sound.claps import (
    RATE_HZ,
    add_room,
    change_speed,
    colour,
    make_clap,
    make_room_response,
    simulate_recorder,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator

SHAPE = (CLAP_FRONT_END.window_frames, CLAP_FRONT_END.n_mels)


def make_rng(seed: int = 4) -> Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def have() -> SceneSounds:
    """Return one person's claps and take, tones, and a background."""
    rng = make_rng()
    take = (row_of_claps(rng, (0.6, 1.1)), np.round(np.array([0.6, 1.1]) * RATE_HZ).astype(np.int64))
    hiss = rng.normal(0.0, 0.01, 4 * RATE_HZ).astype(np.float32)
    return SceneSounds({"a": [make_clap(rng)]}, {"a": [take]}, {"tone": [tone_burst(rng)]}, [hiss])


@pytest.mark.parametrize(
    "made",
    [
        make_clap,
        make_room_response,
        lambda rng: colour(make_clap(make_rng()), 5.0, rng),
        lambda rng: simulate_recorder(make_clap(make_rng()), 10.0, rng),
    ],
    ids=["clap", "room", "colour", "microphone"],
)
def test_the_seed_determines_the_sound(made: Callable[[Generator], np.ndarray]) -> None:
    """Chance comes from the generator alone, as 32-bit floats that are all numbers."""
    first, again, other = made(make_rng(1)), made(make_rng(1)), made(make_rng(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.dtype == np.float32
    assert np.isfinite(first).all()


@pytest.mark.parametrize("seed", range(8))
def test_a_synthetic_clap_rises_and_decays_fast(seed: int) -> None:
    """Its peak is 1 and comes within 25 ms, and its last 40 ms hold next to nothing."""
    clap = make_clap(make_rng(seed))
    assert np.abs(clap).max() == pytest.approx(1.0)
    assert np.abs(clap).argmax() < 0.025 * RATE_HZ
    assert np.sum(clap[-640:] ** 2) < 0.01 * np.sum(clap**2)


def test_a_sound_played_faster_is_shorter_and_higher() -> None:
    """At twice the speed a tone of 1 kHz has half its length and 2 kHz."""
    tone = np.sin(2 * np.pi * 1_000 * np.arange(RATE_HZ) / RATE_HZ).astype(np.float32)
    fast = change_speed(tone, 2.0)
    assert fast.size == pytest.approx(RATE_HZ / 2, abs=1)
    assert np.abs(np.fft.rfft(fast)).argmax() * RATE_HZ / fast.size == pytest.approx(2_000, abs=5)


def test_a_room_is_a_convolution_as_long_as_the_sound() -> None:
    """The result is the convolution by definition, cut to the length of the sound."""
    sound, response = make_rng().normal(size=300).astype(np.float32), make_rng(5).normal(size=50).astype(np.float32)
    assert np.allclose(add_room(sound, response), np.convolve(sound, response)[:300], atol=1e-4)


def test_a_microphone_that_clips_limits_the_peak() -> None:
    """At 12 dB below the peak many samples stand at the limit, a quarter of full scale."""
    heard = simulate_recorder(make_clap(make_rng()), 12.0, make_rng(6))
    assert np.abs(heard).max() == pytest.approx(10 ** (-12 / 20), abs=0.002)
    assert np.sum(np.abs(heard) > 0.24) > 10


@pytest.mark.parametrize("seed", range(6))
def test_there_is_an_onset_at_each_clap_and_its_crop_is_possible(seed: int) -> None:
    """Each of three claps is found within 12 ms and is not ruled out by physics."""
    onsets, crops = cut_crops(row_of_claps(make_rng(seed), (0.5, 0.8, 1.3)))
    begins = np.array([0.5, 0.8, 1.3]) * RATE_HZ
    assert len(onsets) == 3
    assert np.abs(np.array(onsets) - begins).max() <= NEAR_SAMPLES
    assert [check_physics(crop) for crop in crops] == ["", "", ""]
    assert {crop.shape for crop in crops} == {SHAPE}


def test_an_echo_is_no_onset() -> None:
    """The wall across the street answers 14 dB softer after 200 ms, and only the clap counts."""
    sound = row_of_claps(make_rng(), (0.5,))
    response = np.zeros(3_201, np.float32)
    response[0], response[3_200] = 1.0, 0.2
    assert len(detect_onsets(sound)) == len(detect_onsets(add_room(sound, response))) == 1


def test_an_onset_at_the_edge_has_no_crop() -> None:
    """A clap 100 ms before the end is an onset, but its crop would not be complete."""
    sound = row_of_claps(make_rng(), (0.5,))[: round(0.6 * RATE_HZ)]
    assert len(detect_onsets(sound)) == 1
    assert cut_crops(sound) == ([], [])


@pytest.mark.parametrize("scene", [make_clap_scene, make_other_scene])
def test_scenes_give_crops_and_repeat_themselves(
    scene: Callable[[SceneSounds, Generator], list[np.ndarray]], have: SceneSounds
) -> None:
    """Twenty scenes give some crops of the right shape, and the same make_rng give the same ones."""
    first, again = ([crop for _ in range(20) for crop in scene(have, rng)] for rng in (make_rng(8), make_rng(8)))
    assert len(first) >= 15
    assert {crop.shape for crop in first} == {SHAPE}
    assert np.array_equal(first, again)


def test_claps_of_a_scene_die_away_and_a_tone_does_not(have: SceneSounds) -> None:
    """The physical checks accept most claps in any room, and reject most tones."""
    rng = make_rng(9)
    claps = [not check_physics(crop) for _ in range(30) for crop in make_clap_scene(have, rng)]
    tones = [not check_physics(crop) for _ in range(30) for crop in make_other_scene(have, rng)]
    assert np.mean(claps) > 0.8
    assert np.mean(tones) < 0.5
