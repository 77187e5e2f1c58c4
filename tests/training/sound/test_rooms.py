"""Air, ground, corners, rooms and streets between a source and a microphone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.support.waveforms import RATE_HZ, Samples, above, click, level_db, make_rng, tone
from training.sound.rooms import (
    SPEED_OF_SOUND_M_S,
    air_absorption_db_per_m,
    barrier_loss_db,
    make_room_response,
    make_street_response,
    simulate_distance,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator


@pytest.mark.parametrize(
    ("temperature_c", "db_per_km"),
    [(10.0, [0.1, 0.4, 1.0, 1.9, 3.7, 9.7, 32.8, 117.0]), (20.0, [0.1, 0.3, 1.1, 2.8, 5.0, 9.0, 22.9, 76.6])],
)
def test_air_absorbs_as_in_the_standard(temperature_c: float, db_per_km: list[float]) -> None:
    """The octaves from 63 Hz to 8 kHz at 70 % humidity lose the values in table 2 of ISO 9613-2, from ISO 9613-1."""
    octaves = 1_000.0 * 2.0 ** np.arange(-4, 4)
    measured = 1_000.0 * air_absorption_db_per_m(octaves, temperature_c, 70.0)
    assert measured == pytest.approx(db_per_km, rel=0.02, abs=0.06)


@pytest.mark.parametrize("hz", [250.0, 4_000.0])
def test_distance_takes_its_level_and_its_highs(hz: float) -> None:
    """At 100 m a tone is 40 dB fainter, and by the air's share more."""
    lost = level_db(tone(hz)) - level_db(simulate_distance(tone(hz), RATE_HZ, 100.0))
    assert lost == pytest.approx(40.0 + 100.0 * air_absorption_db_per_m(np.array([hz]))[0], abs=0.1)


def test_the_ground_interferes_where_the_ways_differ_by_half_a_wave() -> None:
    """Near and high above hard ground, one frequency nearly vanishes and its octave grows."""
    way_m = np.hypot(10.0, 6.0) - 10.0
    null_hz = SPEED_OF_SOUND_M_S / way_m / 2.0
    lost = [
        level_db(simulate_distance(tone(hz), RATE_HZ, 10.0, height_m=3.0))
        - level_db(simulate_distance(tone(hz), RATE_HZ, 10.0, height_m=3.0, ground=0.9))
        for hz in (null_hz, 2 * null_hz)
    ]
    assert lost[0] > 10.0
    assert lost[1] < -4.0


def test_a_corner_takes_highs_and_not_endlessly() -> None:
    """The loss grows with frequency, from nothing to 24 dB."""
    loss = barrier_loss_db(np.array([0.0, 250.0, 2_000.0, 1e6]), 1.0)
    assert loss[0] == 0.0
    assert (np.diff(loss) > 0).all()
    assert loss[-1] == 24.0
    assert above(simulate_distance(click(), RATE_HZ, 5.0, detour_m=1.0), 4_000.0) < above(click(), 4_000.0) / 5


@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
@pytest.mark.parametrize("response", [make_room_response, make_street_response])
def test_a_space_begins_with_the_direct_sound(response: Callable[[int, Generator], Samples], rate_hz: int) -> None:
    """Nothing is louder than the first samples, some energy follows, and all is over after 1.2 s."""
    for seed in range(20):
        heard = response(rate_hz, make_rng(seed))
        assert np.abs(heard).argmax() <= 1
        assert np.abs(heard[round(0.01 * rate_hz) :]).max() > 0
        assert heard.size <= 1.2 * rate_hz + 1


def test_streets_answer_late_and_sparsely() -> None:
    """Facades answer after a metre of way at least; the tail fades."""
    responses = [make_street_response(RATE_HZ, make_rng(seed)) for seed in range(20)]
    energies = np.array([[np.sum(np.square(part)) for part in np.array_split(r[40:], 4)] for r in responses])
    assert (energies[:, 0] > energies[:, -1]).all()
    assert np.median([np.mean(np.abs(r) > 1e-3 * np.abs(r).max()) for r in responses]) < 0.9
