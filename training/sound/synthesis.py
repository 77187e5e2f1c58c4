"""Synthetic sirens of all patterns, and claps of many people in many rooms.

Electronic sirens follow a formula anyway: a pattern of pitch, a square wave, a horn. Recordings hold few patterns, and
a network trained on only those takes an unknown siren for music.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import signal

from training.sound.claps import RATE_HZ, add_room, change_speed, colour, make_clap, make_room_response

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_SIREN_S, _CLAPS_S = 5.0, 3.0
_SOUND_M_S = 343.0


def make_siren(rng: Generator) -> NDArray[np.float32]:
    """Return 5 s of a siren at 16 kHz, peak 1.

    The pattern is wail, yelp, phaser, two tones, rise and fall, or one after another.
    """
    time_s = np.arange(round(_SIREN_S * RATE_HZ)) / RATE_HZ
    pitch_hz = _pattern(time_s, rng)
    if rng.random() < 0.25:  # noqa: PLR2004 - a driver turns the switch
        at_s = rng.uniform(1.0, _SIREN_S - 1.0)
        pitch_hz = np.where(time_s < at_s, pitch_hz, _pattern(time_s, rng))
    near, level = _passing(time_s, rng)
    phase = 2.0 * np.pi * np.cumsum(pitch_hz * near) / RATE_HZ
    sound = _waveform(phase, pitch_hz.max(), rng) * level
    if rng.random() < 0.2:  # noqa: PLR2004 - a second horn, out of step
        other = _pattern(time_s, rng) if rng.random() < 0.5 else np.roll(pitch_hz, rng.integers(time_s.size))  # noqa: PLR2004
        sound = sound + rng.uniform(0.2, 0.8) * _waveform(np.cumsum(other) * 2 * np.pi / RATE_HZ, other.max(), rng)
    low_hz, high_hz = rng.uniform(150.0, 500.0), rng.uniform(2_000.0, 7_500.0)
    horn = signal.butter(2, (low_hz, high_hz), "bandpass", fs=RATE_HZ, output="sos")
    wet = colour(np.asarray(signal.sosfilt(horn, sound), np.float32), 4.0, rng)
    if rng.random() < 0.7:  # noqa: PLR2004
        wet = add_room(wet, make_room_response(rng))
    return np.asarray(wet / max(1e-6, float(np.abs(wet).max())), np.float32)


def _pattern(time_s: Floats, rng: Generator) -> Floats:
    """Return the pitch in Hz over time."""
    kind = rng.choice(("wail", "yelp", "phaser", "two tones", "mechanical"), p=(0.35, 0.25, 0.08, 0.22, 0.10))
    offset = rng.random()
    if kind == "two tones":
        low_hz, ratio = rng.uniform(350.0, 1_000.0), rng.uniform(1.1, 1.6)
        turn = np.floor(time_s / rng.uniform(0.25, 1.1) + offset * 2.0) % 2
        return low_hz * np.where(turn > 0, ratio, 1.0)
    if kind == "mechanical":
        period_s, high_hz = rng.uniform(4.0, 14.0), rng.uniform(500.0, 1_300.0)
        part = (time_s / period_s + offset) % 1.0
        rise = np.where(part < 0.4, 1.0 - np.exp(-part * 9.0), np.exp(-(part - 0.4) * 3.0))  # noqa: PLR2004
        return high_hz * (0.25 + 0.75 * rise)
    period_s = {"wail": rng.uniform(1.5, 7.0), "yelp": rng.uniform(0.2, 0.7), "phaser": rng.uniform(0.03, 0.12)}[kind]
    low_hz, high_hz = rng.uniform(350.0, 900.0), rng.uniform(1_000.0, 2_000.0)
    part, rising = (time_s / period_s + offset) % 1.0, rng.uniform(0.15, 0.85)
    rise = np.where(part < rising, part / rising, (1.0 - part) / (1.0 - rising))
    if rng.random() < 0.4:  # noqa: PLR2004 - a capacitor charges and discharges
        rise = (1.0 - np.exp(-2.5 * rise)) / (1.0 - np.exp(-2.5))
    return low_hz * (high_hz / low_hz) ** rise


def _passing(time_s: Floats, rng: Generator) -> tuple[Floats, Floats]:
    """Return the Doppler factor and the level of a passing vehicle."""
    speed_m_s, nearest_m = rng.uniform(0.0, 25.0), np.exp(rng.uniform(np.log(4.0), np.log(150.0)))
    along_m = speed_m_s * (time_s - rng.uniform(-5.0, 10.0))
    distance_m = np.hypot(along_m, nearest_m)
    return 1.0 / (1.0 + speed_m_s * along_m / distance_m / _SOUND_M_S), distance_m.min() / distance_m


def _waveform(phase: Floats, highest_hz: float, rng: Generator) -> Floats:
    """Return a wave between a sine and a square or saw.

    It has the harmonics below 7.5 kHz.
    """
    odd_only, tilt = rng.random() < 0.5, rng.uniform(0.7, 2.5)  # noqa: PLR2004
    count = max(1, min(12, int(7_500.0 / highest_hz)))
    wave = np.zeros_like(phase)
    for number in range(1, count + 1):
        if number == 1 or not (odd_only and number % 2 == 0):
            wave += number**-tilt * rng.uniform(0.5, 1.5) * np.sin(number * phase + rng.uniform(0.0, 2.0 * np.pi))
    return np.tanh(wave * rng.uniform(0.5, 3.0))


def make_claps(people: Mapping[str, Sequence[NDArray[np.float32]]], rng: Generator) -> NDArray[np.float32]:
    """Return 3 s with one to eight claps of one person in one room.

    The rate is 16 kHz, the peak 1. `people` has single claps that begin with their attack, by person; four in ten are
    synthetic.
    """
    names = tuple(people)
    if not names or rng.random() < 0.4:  # noqa: PLR2004
        hands: Sequence[NDArray[np.float32]] = [make_clap(rng)]
    else:
        hands = people[names[rng.integers(len(names))]]
    speed = 2.0 ** rng.uniform(-0.4, 0.4)
    gaps_s = rng.uniform(0.13, 0.75) * rng.uniform(0.85, 1.15, rng.integers(0, 8))
    begins_s = rng.uniform(0.0, 1.0) + np.concatenate(([0.0], np.cumsum(gaps_s)))
    sound = np.zeros(round(_CLAPS_S * RATE_HZ), np.float32)
    for begin in np.round(begins_s[begins_s < _CLAPS_S - 0.1] * RATE_HZ).astype(int):
        clap = change_speed(hands[int(rng.integers(len(hands)))], speed * rng.uniform(0.97, 1.03))
        clap = clap * 10.0 ** (rng.uniform(-6.0, 0.0) / 20.0) / max(1e-6, float(np.abs(clap).max()))
        sound[begin : begin + clap.size] += clap[: sound.size - begin]
    if rng.random() < 0.7:  # noqa: PLR2004
        sound = add_room(sound, make_room_response(rng))
    sound = colour(sound, 5.0, rng)
    return np.asarray(sound / max(1e-6, float(np.abs(sound).max())), np.float32)
