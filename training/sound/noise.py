"""Added sounds: noise at an SNR, backgrounds, other samples; and levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from training.sound.spectrum import filter_spectrum

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

NOISE_SNR_DB = (5.0, 15.0)
"""The published ratios of added noise."""
BACKGROUND_SNR_DB = (-5.0, 20.0)

_LOUD_SHARE = 0.1
_BLOCK_S = 0.02
_EPSILON = 1e-12


def loud_power(samples: NDArray[np.float32], rate_hz: int) -> float:
    """Return the mean power of the loudest tenth of a clip's 20 ms blocks.

    It is that of a shot, not of the silence around it.
    """
    size = max(1, min(round(_BLOCK_S * rate_hz), samples.size))
    blocks = np.square(samples[: samples.size // size * size]).reshape(-1, size).mean(axis=1)
    count = max(1, int(blocks.size * _LOUD_SHARE))
    return float(np.partition(blocks, blocks.size - count)[blocks.size - count :].mean()) if blocks.size else 0.0


def apply_gain(samples: NDArray[np.float32], gain_db: float) -> NDArray[np.float32]:
    """Change the level."""
    return np.asarray(samples * np.float32(10.0 ** (gain_db / 20.0)), np.float32)


def mix_at_snr(
    signal: NDArray[np.float32], background: NDArray[np.float32], rate_hz: int, snr_db: float, rng: Generator
) -> NDArray[np.float32]:
    """Add a stretch of `background` to `signal`, `snr_db` below its loudest tenth.

    A short background is repeated. The signal keeps its level. If the signal or the background is silent, the
    background is added unchanged.
    """
    if not background.size:
        return np.array(signal, np.float32)
    offset = int(rng.integers(max(1, background.size - signal.size + 1)))
    under = np.resize(background[offset : offset + signal.size], signal.size)
    level, floor = loud_power(signal, rate_hz), float(np.mean(np.square(under))) if under.size else 0.0
    audible = level > _EPSILON and floor > _EPSILON
    factor = np.sqrt(level / floor * 10.0 ** (-snr_db / 10.0)) if audible else 1.0
    return np.asarray(signal + under * np.float32(factor), np.float32)


def make_coloured_noise(n: int, rate_hz: int, slope_db: float, rng: Generator) -> NDArray[np.float32]:
    """Return Gaussian noise of mean square 1, shape (n,), with a spectral slope.

    It changes by `slope_db` per octave: 0 is white, -3 pink.
    """
    white = rng.standard_normal(n, np.float32)
    exponent = slope_db / (20.0 * np.log10(2.0))
    out = filter_spectrum(white, rate_hz, lambda hz: (np.maximum(hz, 30.0) / 1_000.0) ** exponent)
    power = float(np.mean(np.square(out))) if n else 0.0
    return np.asarray(out / np.float32(np.sqrt(max(_EPSILON, power))), np.float32)


def add_noise(
    samples: NDArray[np.float32], rate_hz: int, snr_db: float, rng: Generator, slope_db: float = 0.0
) -> NDArray[np.float32]:
    """Add noise of a power `snr_db` below the mean power of the clip.

    Silence stays silence. Steady white noise at 5 or 15 dB is the published form; -3 dB per octave is closer to a
    street.
    """
    power = float(np.mean(np.square(samples))) if samples.size else 0.0
    level = np.float32(np.sqrt(power * 10.0 ** (-snr_db / 10.0)))
    return np.asarray(samples + level * make_coloured_noise(samples.size, rate_hz, slope_db, rng), np.float32)


def mixup(
    one: NDArray[np.float32], other: NDArray[np.float32], alpha: float, rng: Generator
) -> tuple[NDArray[np.float32], float]:
    """Return a weighted sum of two clips of one length, and the first's share.

    The share, also for the targets, is drawn from Beta(alpha, alpha) (mixup, Zhang et al., ICLR 2018).
    """
    share = float(rng.beta(alpha, alpha))
    return np.asarray(share * one + (1.0 - share) * other, np.float32), share
