"""Waveforms to change, and what is measured of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from numpy.random import Generator

Samples = NDArray[np.float32]
RATE_HZ = 16_000


def make_rng(seed: int = 1) -> Generator:
    return np.random.default_rng(seed)


def tone(hz: float, seconds: float = 1.0, rate_hz: int = RATE_HZ) -> Samples:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def click(at: int = 4_000, n: int = RATE_HZ) -> Samples:
    out = np.zeros(n, np.float32)
    out[at : at + 8] = 0.5
    return out


def pitch_hz(samples: Samples, rate_hz: int = RATE_HZ) -> float:
    """Return the loudest frequency of the middle of a clip."""
    middle = samples[samples.size // 4 : 3 * samples.size // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(middle.size), 1 << 18))
    return float(spectrum.argmax() * rate_hz / (1 << 18))


def level_db(samples: Samples) -> float:
    return float(10.0 * np.log10(np.mean(np.square(samples))))


def above(samples: Samples, hz: float) -> float:
    """Return the share of a clip's power above a frequency."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float(power[np.fft.rfftfreq(samples.size, 1 / RATE_HZ) > hz].sum() / power.sum())
