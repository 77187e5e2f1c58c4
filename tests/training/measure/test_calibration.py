"""Logits become probabilities, probabilities get thresholds."""

from __future__ import annotations

import numpy as np
import pytest

from edge.frontend.mel import log_mel
from edge.frontend.params import FrontEndParams
from training.config import Config, DataConfig
from training.data.features import FeatureStore
from training.data.manifest import Clip
from training.measure.calibration import calibrate, choose_thresholds, fit_platt, label_windows
from training.measure.evaluation import _to_share_logits
from training.measure.scoring import ClipScores, cut_windows

PARAMS = FrontEndParams()


def clip(label: str) -> Clip:
    """Return the only clip of a manifest."""
    return Clip(0, "0.wav", label, "c", "g", "", "", "", 1.0)


def test_platt_finds_the_scale_and_bias_that_made_the_truth() -> None:
    """From many samples of a logistic law its two numbers come back."""
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 3, 50_000)
    truth = rng.random(50_000) < 1 / (1 + np.exp(-(0.7 * logits - 1.2)))
    assert fit_platt(logits, truth, np.ones(50_000)) == pytest.approx((0.7, -1.2), abs=0.05)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_fit_of_few_clips_stays_sane(sign: float) -> None:
    """Perfectly parted or wholly wrong logits give a finite, positive scale."""
    scale, bias = fit_platt(sign * np.array([-9.0, -8.0, 8.0, 9.0]), np.array([False, False, True, True]), np.ones(4))
    assert 0.3 <= scale <= 3.0
    assert abs(bias) < 10


def test_calibration_assumes_the_prior() -> None:
    """Logits that say nothing become the prior, however many clips hold the sound; an unheard label keeps its logit."""
    scored = ClipScores([clip("a")] * 4, [np.zeros((5, 2), np.float32)] * 4)
    truths = [np.tile([1.0, 0.0], (5, 1))] * 3 + [np.zeros((5, 2))]
    calibration = calibrate(scored, truths, 0.1)
    chances = calibration(np.zeros((1, 2), np.float32))[0]
    assert chances[0] == pytest.approx(0.1, abs=0.01)
    assert (calibration.scale[1], calibration.bias[1]) == (1.0, 0.0)


def test_the_only_label_of_all_recordings_keeps_its_logit() -> None:
    """Without a window that lacks it there is nothing to weigh against."""
    calibration = calibrate(ClipScores([clip("a")], [np.ones((5, 1), np.float32)]), [np.ones((5, 1))], 0.1)
    assert (calibration.scale[0], calibration.bias[0]) == (1.0, 0.0)


def test_thresholds_let_the_allowed_share_through() -> None:
    """`on` is passed by the share of windows without the sound that may, `off` is below it."""
    scores = np.stack([np.linspace(0, 1, 1001), np.full(1001, 0.01)], axis=1)
    chosen = choose_thresholds(["a", "b"], scores, np.zeros((1001, 2)), [0.3, 0.1], (0.2, 0.9))
    assert chosen["a"]["on"] == pytest.approx(0.7, abs=1e-3)
    assert chosen["b"]["on"] == 0.2
    assert all(pair["off"] == pytest.approx(0.6 * pair["on"], abs=1e-3) for pair in chosen.values())


def label_clip(label: str, loud: slice, length: int = 48_000) -> np.ndarray:
    """Return the truth of the windows of a clip that is loud in one place."""
    wave = np.random.default_rng(1).normal(0, 0.1, length)
    quiet = np.ones(length, bool)
    quiet[loud] = False
    wave[quiet] *= 1e-3
    mel = log_mel(wave.astype(np.float32), PARAMS)
    store = FeatureStore(mel.astype(np.float16), np.array([0, len(mel)]), PARAMS)
    config = Config(DataConfig(impulsive={"clap": 1.0}))
    truth = label_windows(clip(label), ("clap", "siren"), store, None, config, 8)
    assert len(truth) == len(cut_windows(mel, PARAMS, 8))
    return truth


def test_a_short_sound_holds_where_its_onset_is() -> None:
    """Windows without the onset of a clap have unknown truth; the siren is absent in all."""
    truth = label_clip("clap", slice(36_000, 37_000))
    assert np.isnan(truth[:5, 0]).all()
    assert (truth[-3:, 0] == 1).all()
    assert (truth[:, 1] == 0).all()


def test_a_lasting_sound_holds_where_it_is_loud() -> None:
    """Windows with little of a siren are of unknown truth."""
    truth = label_clip("siren", slice(32_000, 48_000))
    assert np.isnan(truth[0, 1])
    assert truth[-1, 1] == 1


def test_a_clip_shorter_than_a_window_is_one_window() -> None:
    """It lies at the window's end."""
    assert label_clip("clap", slice(4_000, 5_000), 8_000).tolist() == [[1.0, 0.0]]


def test_a_softmax_keeps_its_shares() -> None:
    """The softmax share of a label is its probability, and they sum to 1."""
    logits = np.random.default_rng(1).normal(0, 4, (6, 5)).astype(np.float32)
    chances = 1 / (1 + np.exp(-_to_share_logits(logits).astype(np.float64)))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.allclose(chances, shares, atol=1e-5)
    assert np.allclose(chances.sum(axis=1), 1.0, atol=1e-4)
