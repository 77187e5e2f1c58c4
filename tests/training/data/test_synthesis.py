"""Synthetic sirens and claps, and varied copies of recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import signal

from edge.frontend.mel import log_mel
from edge.frontend.params import FrontEndParams
from tests.support.recordings import made_up
from training.data import varied
from training.data.features import load_audio, open_features
from training.data.manifest import read_manifest
from training.sound import synthesis
from training.sound.clap_scenes import detect_onsets

if TYPE_CHECKING:
    from pathlib import Path

PARAMS = FrontEndParams()
RATE_HZ = PARAMS.sample_rate_hz


def make_rng(seed: int) -> np.random.Generator:
    """Return a generator."""
    return np.random.default_rng(seed)


def pitch_hz(sound: np.ndarray) -> np.ndarray:
    """Return the strongest frequency of each 64 ms."""
    hz, _, power = signal.stft(sound, RATE_HZ, nperseg=1024, noverlap=0)
    return np.asarray(hz[np.abs(power).argmax(axis=0)])


@pytest.mark.parametrize("seed", range(8))
def test_a_siren_is_a_tone_that_moves(seed: int) -> None:
    """Its peak is 1, its pitch lies where sirens are and is not the same throughout."""
    sound = synthesis.make_siren(make_rng(seed))
    found = pitch_hz(sound)
    assert sound.shape == (5 * RATE_HZ,)
    assert np.abs(sound).max() == pytest.approx(1.0)
    assert 150 < np.median(found) < 4_500
    assert found.std() > 10


def test_a_siren_is_no_noise() -> None:
    """Most of its energy lies in few frequencies at any time, unlike that of noise."""
    flatness = []
    for sound in (synthesis.make_siren(make_rng(3)), make_rng(3).standard_normal(5 * RATE_HZ)):
        power = np.abs(signal.stft(sound, RATE_HZ, nperseg=1024)[2]) ** 2 + 1e-12
        flatness.append(np.mean(np.exp(np.log(power).mean(axis=0)) / power.mean(axis=0)))
    assert flatness[0] < 0.3 * flatness[1]


@pytest.mark.parametrize("people", [{}, {"one": [np.hanning(800).astype(np.float32)]}])
def test_claps_have_onsets(people: dict[str, list[np.ndarray]]) -> None:
    """Each of some sequences has one to a few onsets, also of people there are recordings of."""
    counts = [len(detect_onsets(synthesis.make_claps(people, make_rng(seed)))) for seed in range(10)]
    assert min(counts) >= 0
    assert max(counts) > 2
    assert np.mean([count > 0 for count in counts]) > 0.7


def test_the_same_seed_makes_the_same_sounds() -> None:
    """Two runs of one seed learn from the same sounds, another seed from others."""
    first, again, other = (varied.make_sirens(2, PARAMS, seed).features for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


@pytest.fixture(name="data")
def _data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return made_up(folder)


def test_made_claps_need_no_recorded_ones(data: Path) -> None:
    """Without recorded claps all claps are synthetic."""
    clips = read_manifest(data)
    without = [clip for clip in clips if clip.label != "clap"]
    for some in (clips, without):
        made = varied.make_claps(data, some, 3, PARAMS, 1)
        assert made.label == "clap"
        assert len(made.features) == 3


def test_a_copy_has_the_frames_of_its_recordings_and_other_values(data: Path, tmp_path: Path) -> None:
    """A copy lies frame by frame under the features, and is read from its file the second time."""
    clips, cache = read_manifest(data), tmp_path / "cache"
    store = open_features(data, clips, cache, PARAMS)
    copy, other = (varied.open_copy(data, clips, cache, PARAMS, seed) for seed in (0, 1))
    assert copy.shape == store.frames.shape
    assert not np.array_equal(copy, store.frames)
    assert not np.array_equal(copy, other)
    (data / clips[0].file).unlink()
    assert np.array_equal(varied.open_copy(data, clips, cache, PARAMS, 0), copy)


def test_a_copy_of_other_recordings_is_another(data: Path, tmp_path: Path) -> None:
    """The cache knows a manifest with a clip less from the whole one."""
    clips = read_manifest(data)
    whole, part = (varied.open_copy(data, some, tmp_path / "cache", PARAMS, 0) for some in (clips, clips[:-1]))
    assert len(part) < len(whole)
    samples = load_audio(data / clips[-1].file, RATE_HZ)
    assert len(whole) - len(part) == len(log_mel(samples, PARAMS))
