"""Levels from power spectra: weighting of the standard, known signals, and history."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge.detection.level import HISTORY_S, LevelMeter, a_weights, to_db
from edge.frontend.params import FrontEndParams
from edge.frontend.stream import StreamingFrames

PARAMS = FrontEndParams()
A_WEIGHTING_DB = {63: -26.2, 125: -16.1, 250: -8.6, 500: -3.2, 1000: 0.0, 2000: 1.2, 4000: 1.0}  # IEC 61672-1, table 3


def make_meter(samples: np.ndarray, offset_db: float = 0.0) -> LevelMeter:
    meter = LevelMeter(PARAMS, offset_db)
    meter.push(StreamingFrames(PARAMS).push(samples.astype(np.float32))[0])
    return meter


def tone(hz: float, seconds: float, amplitude: float = 1.0) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * hz * np.arange(round(seconds * 16_000)) / 16_000)


@pytest.mark.parametrize(("hz", "expected_db"), A_WEIGHTING_DB.items())
def test_a_full_scale_sine_has_the_weighting_of_the_standard(hz: int, expected_db: float) -> None:
    """The tolerance is that of class 2, 1.5 dB; a 32 ms frame blurs low tones."""
    levels = make_meter(tone(hz, 2.1)).take_levels()
    assert levels[1].laeq_db == pytest.approx(expected_db, abs=1.5)


def test_the_weighting_is_one_at_a_kilohertz() -> None:
    """IEC 61672-1 defines it so."""
    assert a_weights(PARAMS)[32] == pytest.approx(1.0, abs=1e-6)


def test_calibration_shifts_levels_and_nothing_else() -> None:
    """An offset of 94 dB makes a full-scale 1 kHz sine 94 dB."""
    assert make_meter(tone(1000, 1.1), 94.0).take_levels()[0].laeq_db == pytest.approx(94.0, abs=0.1)


def test_half_the_amplitude_is_six_decibels_less() -> None:
    """The scale is a logarithm of power."""
    loud, quiet = (make_meter(tone(1000, 1.1, a)).take_levels()[0].laeq_db for a in (1.0, 0.5))
    assert loud - quiet == pytest.approx(6.02, abs=0.01)


def test_silence_is_finite() -> None:
    """The quietest level is a number that fits into JSON."""
    level = make_meter(np.zeros(32_000)).take_levels()[0]
    assert level.laeq_db < -100
    assert all(math.isfinite(v) for v in (level.laeq_db, level.lafmax_db, level.l10_db, level.l90_db))


def test_seconds_come_one_by_one_and_percentiles_are_in_order() -> None:
    """L10 is exceeded in a tenth of the time, so it is the highest of the three."""
    noise = np.random.default_rng(0).normal(0, 0.1, 80_000) * np.linspace(0.1, 1, 80_000)
    levels = make_meter(noise).take_levels()
    assert len(levels) == 4
    assert [level.start for level in levels] == [0, 16_000, 32_000, 48_000]
    for level in levels:
        assert level.l90_db <= level.l50_db <= level.l10_db <= level.lafmax_db


def test_a_bang_shows_in_the_maximum_more_than_in_the_mean() -> None:
    """LAFmax follows the peak with the F time constant, LAeq the energy of the second."""
    bang = np.zeros(16_800)
    bang[8000:8400] = tone(1000, 0.025)
    level = make_meter(bang).take_levels()[0]
    assert level.lafmax_db > level.laeq_db + 5


def test_the_fast_weighting_falls_with_its_time_constant() -> None:
    """It falls by 34.7 dB a second, as IEC 61672-1 requires."""
    meter = make_meter(np.concatenate((tone(1000, 1.0), np.zeros(8000))))
    high, low = make_meter(tone(1000, 1.0)).read_current_db(), meter.read_current_db()
    assert (high - low) / 0.5 == pytest.approx(34.7, abs=2.5)


def test_a_span_counts_its_frames_once_however_it_is_extended() -> None:
    """Extension by one or by many frames gives the same level."""
    noise = np.random.default_rng(1).normal(0, 0.1, 48_000)
    meter = make_meter(noise)
    one, many = meter.start_span(20), meter.start_span(20)
    meter.extend(one, 100)
    for frame in range(21, 101):
        meter.extend(many, frame)
    assert one.frames == many.frames == 80
    assert one.laeq_db(0) == pytest.approx(many.laeq_db(0))
    assert one.lafmax_db(0) == pytest.approx(many.lafmax_db(0))


def test_the_steepest_rise_is_found_and_a_steady_sound_has_none() -> None:
    """A rise is at least a doubling of power between two frames."""
    power = np.full((100, PARAMS.n_fft // 2 + 1), 1e-6, np.float32)
    power[60:] *= 100
    meter = LevelMeter(PARAMS)
    meter.push(power)
    assert meter.find_steepest_rise(40, 90) == 60
    assert meter.find_steepest_rise(62, 90) is None
    assert meter.find_steepest_rise(200, 300) is None


def test_fast_levels_of_frames_are_the_momentary_ones_without_the_offset() -> None:
    """A frame's level does not depend on the range; frames outside the history are left out."""
    samples = tone(1000, 0.5)
    levels = make_meter(samples, 94.0).read_fast_db(0, 1000)
    assert levels.size == PARAMS.count_frames(samples.size)
    assert levels[-1] == pytest.approx(make_meter(samples).read_current_db())
    assert np.array_equal(make_meter(samples).read_fast_db(10, 20), levels[10:20])
    assert (make_meter(np.zeros(8000)).read_fast_db(0, 5) < -100).all()


def test_the_history_is_bounded_and_a_reset_clears_it() -> None:
    """It has 16 seconds, and nothing is read across a gap."""
    meter = LevelMeter(PARAMS)
    for _ in range(40):
        meter.push(np.full((64, PARAMS.n_fft // 2 + 1), 1e-6, np.float32))
    span = meter.start_span(0)
    meter.extend(span, 40 * 64)
    assert span.frames == HISTORY_S * 64
    meter.reset(5000)
    assert meter.find_steepest_rise(0, 5000) is None
    assert to_db(0.5, 0.0) == pytest.approx(0.0)
