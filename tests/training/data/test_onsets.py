"""Onsets and loud frames: where windows are laid."""

from __future__ import annotations

import numpy as np

from edge.frontend.mel import log_mel
from tests.support.mels import PARAMS, clicks
from training.data.onsets import find_loud_frames, find_onsets


def test_onsets_are_where_clicks_begin() -> None:
    """Every click is found within two frames of where it began, and nothing else is."""
    times = [0.5, 1.2, 2.4]
    found = find_onsets(clicks(times), PARAMS)
    expected = [(second * PARAMS.sample_rate_hz - PARAMS.n_fft) / PARAMS.hop_samples + 1 for second in times]
    assert len(found) == 3
    assert np.abs(found - np.array(expected)).max() <= 2


def test_a_sound_that_begins_with_the_clip_has_an_onset() -> None:
    """A clip cut at its shot begins at frame 0."""
    assert find_onsets(clicks([0.0]), PARAMS)[0] <= 1


def test_a_steady_sound_has_one_anchor() -> None:
    """Without any onset the loudest frame stands in."""
    assert len(find_onsets(clicks([]), PARAMS)) >= 1


def test_loud_frames_leave_silence_out() -> None:
    """Of a second of noise between two of near silence only its frames are loud."""
    wave = np.random.default_rng(1).normal(0, 0.1, 48_000)
    wave[:16_000] *= 1e-3
    wave[32_000:] *= 1e-3
    found = find_loud_frames(log_mel(wave.astype(np.float32), PARAMS), PARAMS)
    assert 60 < found.min() < 68
    assert 124 < found.max() < 130
