"""Synthetic claps, and their rooms and recorders: pure functions with a generator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import soxr

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

RATE_HZ = 16_000
_HAND_MODES_HZ = (420.0, 3_000.0)  # resonances of hands, from cupped to flat
_BANDWIDTH_HZ = (250.0, 1_500.0)


def make_clap(rng: Generator) -> NDArray[np.float32]:
    """Return a synthetic clap of hands, shape (n,), peak 1.

    A burst of noise that decays within some milliseconds, through one to three resonances of the hands' cavity
    (Peltola, Erkut, Cook & Välimäki, "Synthesis of hand clapping sounds", IEEE TASLP 2007).
    """
    n = round(0.12 * RATE_HZ)
    time_s = np.arange(n) / RATE_HZ
    attack_s, decay_s = rng.uniform(0.0003, 0.003), rng.uniform(0.003, 0.016)
    burst = rng.standard_normal(n) * np.minimum(1.0, time_s / attack_s) * np.exp(-time_s / decay_s)
    spectrum, hz = np.fft.rfft(burst), np.fft.rfftfreq(n, 1.0 / RATE_HZ)
    response = np.full(hz.size, rng.uniform(0.02, 0.35))
    for _ in range(rng.integers(1, 4)):
        centre = np.exp(rng.uniform(*np.log(_HAND_MODES_HZ)))
        width = np.exp(rng.uniform(*np.log(_BANDWIDTH_HZ)))
        response += rng.uniform(0.3, 1.0) / np.sqrt(1.0 + ((hz - centre) / (width / 2.0)) ** 2)
    low_hz = rng.uniform(150.0, 600.0)
    response *= (hz / low_hz) ** 2 / (1.0 + (hz / low_hz) ** 2)
    clap = np.fft.irfft(spectrum * response, n)
    return np.asarray(clap / np.abs(clap).max(), np.float32)


def change_speed(sound: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """Play a sound `factor` times as fast, at a higher pitch."""
    return np.asarray(soxr.resample(sound, RATE_HZ * factor, RATE_HZ, quality="LQ"), np.float32)


def colour(sound: NDArray[np.float32], spread_db: float, rng: Generator) -> NDArray[np.float32]:
    """Apply a smooth random equaliser of standard deviation `spread_db`.

    Sometimes the sound is band-limited too.
    """
    spectrum, hz = np.fft.rfft(sound), np.fft.rfftfreq(sound.size, 1.0 / RATE_HZ)
    octave = np.log2(np.maximum(hz, 60.0) / 60.0)
    gain_db = np.interp(octave, np.arange(8), rng.normal(0.0, spread_db, 8))
    if rng.random() < 0.3:  # noqa: PLR2004
        high_hz = np.exp(rng.uniform(np.log(2_800.0), np.log(8_000.0)))
        gain_db -= 60.0 * np.maximum(0.0, np.log2(np.maximum(hz, 1.0) / high_hz))
    return np.asarray(np.fft.irfft(spectrum * 10.0 ** (gain_db / 20.0), sound.size), np.float32)


def make_room_response(rng: Generator) -> NDArray[np.float32]:
    """Return an impulse response, shape (n,): direct sound, early reflections and a tail.

    The tail falls by 60 dB in 0.1 to 1.2 s and becomes duller; it holds -3 to 20 dB less energy than the direct sound.
    Sometimes there is an echo from a distant wall.
    """
    rt60_s = np.exp(rng.uniform(np.log(0.1), np.log(1.2)))
    n = round(min(rt60_s, 0.6) * RATE_HZ) + 1
    time_s = np.arange(n) / RATE_HZ
    tail = rng.standard_normal(n) * 10.0 ** (-3.0 * time_s / rt60_s)
    tail[: round(rng.uniform(0.001, 0.02) * RATE_HZ)] = 0.0
    dark = np.convolve(tail, np.full(4, 0.25))[:n]
    mix = np.minimum(1.0, time_s / rng.uniform(0.05, 0.5))
    tail = tail * (1.0 - mix) + dark * mix
    energy = float(np.sum(tail**2)) or 1.0
    response = tail * np.sqrt(10.0 ** (-rng.uniform(-3.0, 20.0) / 10.0) / energy)
    response[0] = 1.0
    for _ in range(rng.integers(0, 5)):
        response[rng.integers(1, min(n, 800))] += rng.normal(0.0, 0.3)
    if rng.random() < 0.1:  # noqa: PLR2004
        response[rng.integers(min(n - 1, 1_600), n)] += rng.uniform(0.03, 0.15)
    return np.asarray(response, np.float32)


def add_room(sound: NDArray[np.float32], response: NDArray[np.float32]) -> NDArray[np.float32]:
    """Convolve a sound with an impulse response; keep its length."""
    n = sound.size + response.size - 1
    size = 1 << (n - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(response, size), size)
    return np.asarray(wet[: sound.size], np.float32)


def simulate_recorder(sound: NDArray[np.float32], clip_db: float, rng: Generator) -> NDArray[np.float32]:
    """Simulate a recorder: noise, clipping `clip_db` below the peak, and 16 bits."""
    hiss_db = rng.uniform(-75.0, -45.0)
    sound = sound / max(1e-6, float(np.abs(sound).max())) + rng.standard_normal(sound.size) * 10.0 ** (hiss_db / 20.0)
    limit = 10.0 ** (-clip_db / 20.0)
    step = 10.0 ** (rng.uniform(-90.0, -55.0) / 20.0)
    return np.asarray(np.round(np.clip(sound, -limit, limit) / step) * step, np.float32)
