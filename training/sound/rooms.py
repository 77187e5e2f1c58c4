"""Propagation from source to microphone: air, ground, corners and walls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import soxr

from training.sound import claps as sound
from training.sound.spectrum import filter_spectrum, from_db

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

SPEED_OF_SOUND_M_S = 343.0
_ZERO_C_K = 273.15
_STREET_S = 1.2


def air_absorption_db_per_m(
    hz: NDArray[np.floating], temperature_c: float = 15.0, humidity_percent: float = 60.0
) -> NDArray[np.float64]:
    """Return the absorption of a pure tone by air, in dB per metre.

    At sea level (ISO 9613-1:1993, equations 3 to 5).
    """
    kelvin = temperature_c + _ZERO_C_K
    ratio = kelvin / 293.15
    saturation = 10.0 ** (-6.8346 * (273.16 / kelvin) ** 1.261 + 4.6151)
    vapour = humidity_percent * saturation  # molar concentration of water, in percent
    oxygen_hz = 24.0 + 4.04e4 * vapour * (0.02 + vapour) / (0.391 + vapour)
    nitrogen_hz = ratio**-0.5 * (9.0 + 280.0 * vapour * np.exp(-4.170 * (ratio ** (-1.0 / 3.0) - 1.0)))
    squared = np.asarray(hz, np.float64) ** 2
    oxygen = 0.01275 * np.exp(-2239.1 / kelvin) * oxygen_hz / (oxygen_hz**2 + squared)
    nitrogen = 0.1068 * np.exp(-3352.0 / kelvin) * nitrogen_hz / (nitrogen_hz**2 + squared)
    return np.asarray(8.686 * squared * (1.84e-11 * ratio**0.5 + ratio**-2.5 * (oxygen + nitrogen)), np.float64)


def barrier_loss_db(hz: NDArray[np.floating], detour_m: float) -> NDArray[np.float64]:
    """Return the loss at a corner or wall with a detour of `detour_m`.

    It is 24 dB at most. 10 lg(3 + 20 N) with the Fresnel number N = 2 detour / wavelength (Maekawa, Applied Acoustics
    1, 1968; ISO 9613-2 has the same form), less the 5 dB that low frequencies lose too.
    """
    fresnel = 2.0 * detour_m * np.asarray(hz, np.float64) / SPEED_OF_SOUND_M_S
    return np.minimum(10.0 * np.log10((3.0 + 20.0 * fresnel) / 3.0), 24.0)


def simulate_distance(
    samples: NDArray[np.float32],
    rate_hz: int,
    metres: float,
    *,
    humidity_percent: float = 60.0,
    temperature_c: float = 15.0,
    ground: float = 0.0,
    height_m: float = 1.5,
    detour_m: float = 0.0,
) -> NDArray[np.float32]:
    """Attenuate a sound from a distance of 1 m to `metres`.

    The level falls by 1 / r, and air absorbs by ISO 9613-1. `ground` is the share that the ground reflects at low
    frequencies, less at high ones; source and microphone are `height_m` above it, and both paths interfere. `detour_m`
    puts a corner between them.
    """
    metres = max(1.0, metres)
    reflected_m = float(np.hypot(metres, 2.0 * height_m))

    def response(hz: NDArray[np.float32]) -> NDArray[np.complex64]:
        # the curves are smooth: a table suffices, and costs little compared with the transform
        table = np.linspace(0.0, rate_hz / 2.0, 257)
        loss_db = air_absorption_db_per_m(table, temperature_c, humidity_percent) * metres
        if detour_m > 0.0:
            loss_db = loss_db + barrier_loss_db(table, detour_m)
        direct = from_db(-np.interp(hz, table, loss_db)) / np.float32(metres)
        if ground <= 0.0:
            return np.asarray(direct, np.complex64)
        mirrored = ground * metres / reflected_m / (1.0 + (hz / 2_000.0) ** 2)
        lag = np.float32(-2.0 * np.pi * (reflected_m - metres) / SPEED_OF_SOUND_M_S) * hz
        return np.asarray(direct * (1.0 + mirrored * np.exp(1j * lag)), np.complex64)

    return filter_spectrum(samples, rate_hz, response)


def make_room_response(rate_hz: int, rng: Generator) -> NDArray[np.float32]:
    """Return an impulse response of a room, shape (n,), the direct sound first.

    See `training.sound.claps`.
    """
    response = sound.make_room_response(rng)
    if rate_hz == sound.RATE_HZ:
        return response
    return np.asarray(soxr.resample(response, sound.RATE_HZ, rate_hz, quality="LQ"), np.float32)


def make_street_response(rate_hz: int, rng: Generator) -> NDArray[np.float32]:
    """Return an impulse response of a street between facades, shape (n,).

    It has 1.2 s at most, the direct sound first. Images of the source in two parallel walls, 8 to 40 m apart, give a
    flutter of echoes, each scattered over some milliseconds by the relief of a facade; a sparse tail of 0.4 to 1.6 s
    (60 dB) comes from further away. Measured streets have few strong reflections, then separate echoes (Picaut et al.,
    "Experimental study of sound propagation in a street", Applied Acoustics 2005).
    """
    rt60_s = rng.uniform(0.4, 1.6)
    n = round(min(_STREET_S, 0.75 * rt60_s) * rate_hz)
    echoes = np.zeros(n, np.float32)
    delays_s, levels = _reflect_in_facades(rng)
    at = np.round(delays_s * rate_hz).astype(int)
    np.add.at(echoes, at[at < n], levels[at < n])
    echoes += _make_sparse_tail(n, rate_hz, rt60_s, rng)
    scatter = rng.standard_normal(round(rng.uniform(0.001, 0.006) * rate_hz)).astype(np.float32)
    scatter *= np.exp(-np.linspace(0.0, 4.0, scatter.size, dtype=np.float32))
    response = np.convolve(echoes, scatter / np.linalg.norm(scatter))[:n]
    response[0] += 1.0
    return np.asarray(response, np.float32)


def _reflect_in_facades(rng: Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return delays and levels of a source's images in two facades.

    Delays are behind the direct sound, in seconds.
    """
    width_m, along_m = rng.uniform(8.0, 40.0), np.exp(rng.uniform(np.log(3.0), np.log(100.0)))
    source_m, microphone_m = rng.uniform(0.1, 0.9, 2) * width_m
    turn = np.arange(-4, 5)
    image_m = np.concatenate((2 * turn * width_m + source_m, 2 * turn * width_m - source_m))
    order = np.concatenate((np.abs(2 * turn), np.abs(2 * turn - 1)))  # reflections on the way
    direct_m = np.hypot(along_m, source_m - microphone_m)
    path_m = np.hypot(along_m, image_m - microphone_m)
    level = rng.uniform(0.5, 0.85) ** order * direct_m / path_m
    return (path_m - direct_m)[order > 0] / SPEED_OF_SOUND_M_S, level[order > 0]


def _make_sparse_tail(n: int, rate_hz: int, rt60_s: float, rng: Generator) -> NDArray[np.float32]:
    """Return single echoes, some hundred per second, that fall by 60 dB in `rt60_s`.

    Their level is -25 to -6 dB of the direct sound.
    """
    count = max(1, round(n / rate_hz * rng.uniform(80.0, 500.0)))
    at = rng.integers(min(n - 1, round(0.02 * rate_hz)), n, count)
    tail = np.zeros(n, np.float32)
    tail[at] = rng.choice((-1.0, 1.0), count) * 10.0 ** (-3.0 * at / (rate_hz * rt60_s))
    energy = float(np.sum(np.square(tail)))
    return np.asarray(tail * np.sqrt(10.0 ** (rng.uniform(-25.0, -6.0) / 10.0) / max(energy, 1e-9)), np.float32)
