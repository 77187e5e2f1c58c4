"""Waveforms of claps, and the scenes they are put into."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge.claps.confirm import check_physics
from edge.claps.crop import CLAP_FRONT_END
from tests.support.claps import row_of_claps, tone_burst
from training.sound.claps import RATE_HZ, at_speed, coloured, in_room, recorded, room_response, synthetic_clap
from training.sound.scenes import NEAR_SAMPLES, Material, clap_scene, crops_of, onsets_of, other_scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator

SHAPE = (CLAP_FRONT_END.window_frames, CLAP_FRONT_END.n_mels)


def dice(seed: int = 4) -> Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def have() -> Material:
    """Return one person's claps and take, tones, and a background."""
    rng = dice()
    take = (row_of_claps(rng, (0.6, 1.1)), np.round(np.array([0.6, 1.1]) * RATE_HZ).astype(np.int64))
    hiss = rng.normal(0.0, 0.01, 4 * RATE_HZ).astype(np.float32)
    return Material({"a": [synthetic_clap(rng)]}, {"a": [take]}, {"tone": [tone_burst(rng)]}, [hiss])


@pytest.mark.parametrize(
    "made",
    [
        synthetic_clap,
        room_response,
        lambda rng: coloured(synthetic_clap(dice()), 5.0, rng),
        lambda rng: recorded(synthetic_clap(dice()), 10.0, rng),
    ],
    ids=["clap", "room", "colour", "microphone"],
)
def test_the_same_dice_give_the_same_sound_and_others_another(made: Callable[[Generator], np.ndarray]) -> None:
    """Chance comes from the generator alone, as 32-bit floats that are all numbers."""
    first, again, other = made(dice(1)), made(dice(1)), made(dice(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.dtype == np.float32
    assert np.isfinite(first).all()


@pytest.mark.parametrize("seed", range(8))
def test_a_made_up_clap_is_loud_at_once_and_soon_over(seed: int) -> None:
    """Its peak is 1 and comes within 25 ms, and its last 40 ms hold next to nothing."""
    clap = synthetic_clap(dice(seed))
    assert np.abs(clap).max() == pytest.approx(1.0)
    assert np.abs(clap).argmax() < 0.025 * RATE_HZ
    assert np.sum(clap[-640:] ** 2) < 0.01 * np.sum(clap**2)


def test_a_sound_played_faster_is_shorter_and_higher() -> None:
    """At twice the speed a tone of 1 kHz has half its length and 2 kHz."""
    tone = np.sin(2 * np.pi * 1_000 * np.arange(RATE_HZ) / RATE_HZ).astype(np.float32)
    fast = at_speed(tone, 2.0)
    assert fast.size == pytest.approx(RATE_HZ / 2, abs=1)
    assert np.abs(np.fft.rfft(fast)).argmax() * RATE_HZ / fast.size == pytest.approx(2_000, abs=5)


def test_a_room_is_a_convolution_as_long_as_the_sound() -> None:
    """What is heard is what the definition says, cut to the length of the sound."""
    sound, response = dice().normal(size=300).astype(np.float32), dice(5).normal(size=50).astype(np.float32)
    assert np.allclose(in_room(sound, response), np.convolve(sound, response)[:300], atol=1e-4)


def test_a_microphone_that_clips_limits_the_peak() -> None:
    """At 12 dB below the peak many samples stand at the limit, a quarter of full scale."""
    heard = recorded(synthetic_clap(dice()), 12.0, dice(6))
    assert np.abs(heard).max() == pytest.approx(10 ** (-12 / 20), abs=0.002)
    assert np.sum(np.abs(heard) > 0.24) > 10


@pytest.mark.parametrize("seed", range(6))
def test_there_is_an_onset_at_each_clap_and_its_crop_is_possible(seed: int) -> None:
    """Each of three claps is found within 12 ms and is not ruled out by physics."""
    onsets, crops = crops_of(row_of_claps(dice(seed), (0.5, 0.8, 1.3)))
    begins = np.array([0.5, 0.8, 1.3]) * RATE_HZ
    assert len(onsets) == 3
    assert np.abs(np.array(onsets) - begins).max() <= NEAR_SAMPLES
    assert [check_physics(crop) for crop in crops] == ["", "", ""]
    assert {crop.shape for crop in crops} == {SHAPE}


def test_an_echo_is_no_onset() -> None:
    """The wall across the street answers 14 dB softer after 200 ms, and only the clap counts."""
    sound = row_of_claps(dice(), (0.5,))
    response = np.zeros(3_201, np.float32)
    response[0], response[3_200] = 1.0, 0.2
    assert len(onsets_of(sound)) == len(onsets_of(in_room(sound, response))) == 1


def test_an_onset_at_the_edge_has_no_crop() -> None:
    """A clap 100 ms before the end is heard, but a third of a second around it is not there."""
    sound = row_of_claps(dice(), (0.5,))[: round(0.6 * RATE_HZ)]
    assert len(onsets_of(sound)) == 1
    assert crops_of(sound) == ([], [])


@pytest.mark.parametrize("scene", [clap_scene, other_scene])
def test_scenes_give_crops_and_repeat_themselves(
    scene: Callable[[Material, Generator], list[np.ndarray]], have: Material
) -> None:
    """Twenty scenes give some crops of the right shape, and the same dice give the same ones."""
    first, again = ([crop for _ in range(20) for crop in scene(have, rng)] for rng in (dice(8), dice(8)))
    assert len(first) >= 15
    assert {crop.shape for crop in first} == {SHAPE}
    assert np.array_equal(first, again)


def test_claps_of_a_scene_die_away_and_a_tone_does_not(have: Material) -> None:
    """Physics lets most claps through, whatever room they are in, and rules most tones out."""
    rng = dice(9)
    claps = [not check_physics(crop) for _ in range(30) for crop in clap_scene(have, rng)]
    tones = [not check_physics(crop) for _ in range(30) for crop in other_scene(have, rng)]
    assert np.mean(claps) > 0.8
    assert np.mean(tones) < 0.5
