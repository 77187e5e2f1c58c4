"""Log-mel features of a recording, and the parameters of the front end."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from edge.frontend.mel import (
    float_from_int16,
    hann_window,
    hz_to_mel,
    log_mel,
    mel_filterbank,
    mel_to_hz,
    power_spectrum,
)
from edge.frontend.params import FrontEndParams

PARAMS = FrontEndParams()


def tone(hz: float, seconds: float = 1.0, amplitude: float = 0.5) -> np.ndarray:
    t = np.arange(round(seconds * PARAMS.sample_rate_hz)) / PARAMS.sample_rate_hz
    return (amplitude * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def slow_log_mel(samples: np.ndarray, params: FrontEndParams) -> np.ndarray:
    """Compute the features by the formulas, frame by frame in double precision."""
    n = np.arange(params.n_fft)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / params.n_fft)
    rows = []
    for start in range(0, samples.size - params.n_fft + 1, params.hop_samples):
        spectrum = np.fft.rfft(samples[start : start + params.n_fft].astype(np.float64) * window)
        power = 2 * np.abs(spectrum) ** 2 / (params.n_fft * np.sum(window**2))
        mel = power @ mel_filterbank(params).astype(np.float64)
        rows.append((np.log(mel + params.log_floor) + params.offset) * params.scale)
    return np.array(rows)


def test_log_mel_equals_the_formulas() -> None:
    """The fast version equals the slow one except for rounding."""
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    assert np.abs(log_mel(noise, PARAMS) - slow_log_mel(noise, PARAMS)).max() < 1e-4


@pytest.mark.parametrize("hz", [200.0, 1000.0, 3500.0, 7000.0])
def test_a_tone_is_loudest_in_the_band_around_its_frequency(hz: float) -> None:
    """The loudest band contains the frequency of the tone."""
    edges = mel_to_hz(np.linspace(hz_to_mel(PARAMS.fmin_hz), hz_to_mel(PARAMS.fmax_hz), PARAMS.n_mels + 2))
    loudest = int(log_mel(tone(hz), PARAMS).mean(axis=0).argmax())
    assert edges[loudest] <= hz <= edges[loudest + 2]


def test_silence_has_the_value_that_the_parameters_say() -> None:
    """Digital silence has the value of the log floor."""
    features = log_mel(np.zeros(4000, np.float32), PARAMS)
    assert np.allclose(features, PARAMS.silence)
    assert np.isfinite(features).all()


def test_features_do_not_depend_on_later_sound() -> None:
    """A loud second does not change the features of the quiet one before it."""
    quiet, loud = tone(440, amplitude=0.001), tone(900, amplitude=1.0)
    alone = log_mel(quiet, PARAMS)
    assert np.array_equal(log_mel(np.concatenate((quiet, loud)), PARAMS)[: len(alone)], alone)


def test_power_sums_to_the_mean_square_of_the_frame() -> None:
    """Parseval's theorem holds with the scale of the window, so levels follow from the spectrum."""
    noise = np.random.default_rng(1).normal(0, 0.2, (400, PARAMS.n_fft)).astype(np.float32)
    ratio = power_spectrum(noise, PARAMS).sum() / (np.square(noise).mean() * len(noise))
    assert ratio == pytest.approx(1.0, rel=0.02)
    assert hann_window(PARAMS.n_fft)[0] == 0.0


def test_int16_becomes_float_of_full_scale_one() -> None:
    """The most negative sample is exactly -1."""
    assert float_from_int16(np.array([-32768, 0, 16384], np.int16)).tolist() == [-1.0, 0.0, 0.5]


@pytest.mark.parametrize("samples", [0, 511, 512, 761, 762, 16_000])
def test_only_whole_frames_count(samples: int) -> None:
    """Neither end is padded."""
    assert log_mel(np.zeros(samples, np.float32), PARAMS).shape == (PARAMS.count_frames(samples), PARAMS.n_mels)


def test_stereo_is_refused() -> None:
    """The caller must mix down."""
    with pytest.raises(ValueError, match="mono"):
        log_mel(np.zeros((2, 16_000), np.float32), PARAMS)


@pytest.mark.parametrize(
    ("name", "value"),
    [("n_fft", 0), ("hop_samples", 600), ("fmax_hz", 9000.0), ("fmin_hz", -1.0), ("n_mels", 64.0), ("log_floor", 0.0)],
)
def test_impossible_parameters_are_refused(name: str, value: Any) -> None:
    """Invalid parameters raise an error."""
    with pytest.raises(ValueError, match="front end"):
        FrontEndParams(**{name: value})


def test_parameters_travel_as_json_and_unknown_ones_are_refused() -> None:
    """An unknown parameter, as of a newer bundle, is an error."""
    values = json.loads(json.dumps(PARAMS.to_dict()))
    assert FrontEndParams.from_dict(values) == PARAMS
    with pytest.raises(ValueError, match="pcen"):
        FrontEndParams.from_dict({**values, "pcen": True})


def test_no_mel_band_is_empty() -> None:
    """It holds even for bands narrower than two bins."""
    assert (mel_filterbank(PARAMS).sum(axis=0) > 0).all()
    assert (mel_filterbank(FrontEndParams(n_mels=256)).sum(axis=0) > 0).all()
