"""Log-mel features of a whole recording, and the steps that the stream shares."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.frontend.params import FrontEndParams

_BREAK_HZ, _MEL_HIGH_Q = 700.0, 1127.0
_BLOCK_FRAMES = 512  # frames transformed at once: these fit into a small processor's cache
_GROUP_FRAMES = 8  # rows of one matrix product


def float_from_int16(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """Convert 16-bit samples to floats of full scale ±1; nothing else does this conversion."""
    result: NDArray[np.float32] = samples.astype(np.float32) / np.float32(32768.0)
    return result


def hz_to_mel(hz: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mel value of a frequency (HTK formula, O'Shaughnessy 1987)."""
    return np.asarray(_MEL_HIGH_Q * np.log1p(np.asarray(hz, np.float64) / _BREAK_HZ))


def mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the frequency of a mel value (inverse of `hz_to_mel`)."""
    return np.asarray(_BREAK_HZ * np.expm1(mel / _MEL_HIGH_Q))


@functools.lru_cache(maxsize=8)
def mel_filterbank(params: FrontEndParams) -> NDArray[np.float32]:
    """Return the mel filterbank: triangular filters, shape (n_fft // 2 + 1, n_mels), peak 1.

    A band narrower than the spacing of the bins gets its nearest bin, so that no band is always silent.
    """
    edges = mel_to_hz(np.linspace(hz_to_mel(params.fmin_hz), hz_to_mel(params.fmax_hz), params.n_mels + 2))
    bins = np.arange(params.n_fft // 2 + 1) * (params.sample_rate_hz / params.n_fft)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    rising = (bins[:, None] - low) / (centre - low)
    falling = (high - bins[:, None]) / (high - centre)
    bank = np.clip(np.minimum(rising, falling), 0.0, None)
    for band in np.flatnonzero(bank.sum(axis=0) == 0):
        bank[np.abs(bins - centre[band]).argmin(), band] = 1.0
    result: NDArray[np.float32] = bank.astype(np.float32)
    result.setflags(write=False)
    return result


@functools.lru_cache(maxsize=8)
def hann_window(n_fft: int) -> NDArray[np.float32]:
    """Return the periodic Hann window, scaled to the mean square of a frame.

    With this scale the one-sided sum over the bins is the frame's mean square (Parseval), for every `n_fft`.
    """
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    window *= np.sqrt(2.0 / (n_fft * np.sum(window**2)))
    result: NDArray[np.float32] = window.astype(np.float32)
    result.setflags(write=False)
    return result


def power_spectrum(frames: NDArray[np.float32], params: FrontEndParams) -> NDArray[np.float32]:
    """Return the power spectrum of frames.

    The frames have shape (frames, n_fft), the power (frames, n_fft // 2 + 1).
    """
    spectrum = np.fft.rfft(frames * hann_window(params.n_fft), axis=-1)
    power = np.square(spectrum.real)
    power += np.square(spectrum.imag)
    return np.asarray(power, np.float32)


def log_mel_from_power(power: NDArray[np.float32], params: FrontEndParams) -> NDArray[np.float32]:
    """Return the log-mel features, shape (frames, n_mels), of a power spectrum, shape (frames, bins).

    The matrix product is always of `_GROUP_FRAMES` rows at a time: a matrix library chooses its kernel, and with it the
    order of additions, by the number of rows, and a frame must not depend on the number of frames computed with it.
    """
    groups = -(-len(power) // _GROUP_FRAMES)
    padded = power
    if len(power) != groups * _GROUP_FRAMES:
        padded = np.zeros((groups * _GROUP_FRAMES, power.shape[1]), np.float32)
        padded[: len(power)] = power
    stacked = padded.reshape(groups, _GROUP_FRAMES, power.shape[1]) @ mel_filterbank(params)
    mel = stacked.reshape(-1, params.n_mels)[: len(power)]
    mel += np.float32(params.log_floor)
    np.log(mel, out=mel)
    mel += np.float32(params.offset)
    mel *= np.float32(params.scale)
    return mel


def cut_frames(samples: NDArray[np.float32], params: FrontEndParams) -> NDArray[np.float32]:
    """Cut mono samples into overlapping frames: a read-only view of shape (frames, n_fft)."""
    if samples.ndim != 1:
        msg = f"expected mono samples of shape (n,), not {samples.shape}"
        raise ValueError(msg)
    if not params.count_frames(samples.size):
        return np.empty((0, params.n_fft), np.float32)
    return np.lib.stride_tricks.sliding_window_view(samples, params.n_fft)[:: params.hop_samples]


def log_mel(samples: NDArray[np.float32], params: FrontEndParams) -> NDArray[np.float32]:
    """Return the log-mel features of a recording, shape (frames, n_mels).

    `samples` is mono at ``params.sample_rate_hz``, full scale ±1. The first frame begins at sample 0, and only whole
    frames are used: nothing is padded, so a frame depends on its own samples only.
    """
    frames = cut_frames(np.asarray(samples, np.float32), params)
    out = np.empty((len(frames), params.n_mels), np.float32)
    for start in range(0, len(frames), _BLOCK_FRAMES):
        block = slice(start, start + _BLOCK_FRAMES)
        out[block] = log_mel_from_power(power_spectrum(frames[block], params), params)
    return out
