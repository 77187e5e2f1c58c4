"""Independent changes of tempo and pitch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import soxr

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPEEDS = (0.8, 1.2)
"""The published factors of time stretch (Salamon & Bello, IEEE SPL 2017, use 0.81 to 1.23)."""
SEMITONES = (-2.0, 2.0)
"""The published shifts of pitch (the same paper)."""

_FRAME_S = 0.032
_SEARCH_S = 0.008


def fit_length(samples: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """Cut samples to n, or pad them with silence."""
    return np.asarray(np.pad(samples[:n], (0, max(0, n - samples.size))), np.float32)


def time_stretch(samples: NDArray[np.float32], rate_hz: int, speed: float) -> NDArray[np.float32]:
    """Play a sound `speed` times as fast at its own pitch.

    The result has round(n / speed) samples. WSOLA (Verhelst & Roelands, ICASSP 1993): frames of 32 ms overlap by half,
    and each is taken, within 8 ms of its nominal place, from where it best continues the previous one. Attacks stay
    sharp, which a phase vocoder smears. Raises `ValueError` unless `speed` is above 0.
    """
    if not speed > 0.0:
        msg = f"time stretch: speed is {speed}, it must be above 0"
        raise ValueError(msg)
    length = round(samples.size / speed)
    hop = max(1, round(_FRAME_S * rate_hz / 2))
    search = max(1, round(_SEARCH_S * rate_hz))
    count = -(-length // hop) + 1
    padded = np.pad(samples, (search, int(count * hop * speed) + 3 * hop + 2 * search - samples.size if count else 0))
    begins = _find_continuations(padded, np.round(np.arange(count) * hop * speed).astype(int), hop, search)
    window = (0.5 - 0.5 * np.cos(np.pi * np.arange(hop) / hop)).astype(np.float32)  # window + (1 - window) = 1
    frames = padded[begins[:, None] + np.arange(2 * hop)]  # (count, 2 hop)
    out = frames[1:, :hop] * window + frames[:-1, hop:] * (1.0 - window)
    first = frames[0, :hop]
    return np.asarray(np.concatenate((first, out.ravel()))[:length], np.float32)


def _find_continuations(
    padded: NDArray[np.float32], due: NDArray[np.int64], hop: int, search: int
) -> NDArray[np.int64]:
    """Return the begin of each frame in `padded`.

    It is near the nominal place, where the signal is most similar to the expected continuation.
    """
    begins = np.empty(due.size, np.int64)
    begins[0] = search
    for index in range(1, due.size):
        wanted = padded[begins[index - 1] + hop : begins[index - 1] + 2 * hop]
        begins[index] = due[index] + _find_best_lag(wanted, padded[due[index] : due[index] + hop + 2 * search])
    return begins


def _find_best_lag(wanted: NDArray[np.float32], region: NDArray[np.float32]) -> int:
    """Return the lag at which `region` correlates best with `wanted`.

    Each stretch is weighted by its own energy.
    """
    alike = np.correlate(region, wanted, "valid")
    energy = np.cumsum(np.concatenate(([0.0], region.astype(np.float64) ** 2)))
    own = energy[wanted.size :] - energy[: -wanted.size]
    return int(np.argmax(alike / np.sqrt(np.maximum(own, 1e-12))))


def pitch_shift(samples: NDArray[np.float32], rate_hz: int, semitones: float) -> NDArray[np.float32]:
    """Raise a sound by semitones at its own tempo.

    It is resampled, then stretched back to its length.
    """
    factor = 2.0 ** (semitones / 12.0)
    played = np.asarray(soxr.resample(samples, rate_hz * factor, rate_hz, quality="LQ"), np.float32)
    return fit_length(time_stretch(played, rate_hz, 1.0 / factor), samples.size)
