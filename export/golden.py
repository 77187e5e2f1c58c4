"""The golden recording of a bundle: sound, features and logits that every start must find again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge.frontend.mel import log_mel
from training.data.features import load_audio

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edge.frontend.params import FrontEndParams

_LENGTH_S = 6.0


def golden_waveform(recording: Path, rate_hz: int) -> NDArray[np.float32]:
    """Return the loudest 6 s of a recording, or all of a shorter one, as multiples of 1/32768.

    Raises `ValueError` for what is not audio.
    """
    samples, length = load_audio(recording, rate_hz), round(_LENGTH_S * rate_hz)
    if len(samples) > length:
        energy = np.concatenate(([0.0], np.cumsum(np.square(samples, dtype=np.float64))))
        begin = int(np.argmax(energy[length:] - energy[:-length]))
        samples = samples[begin : begin + length]
    return np.asarray(np.round(np.clip(samples, -1.0, 1.0) * 32767.0) / 32768.0, np.float32)


def golden_features(
    waveform: NDArray[np.float32], params: FrontEndParams
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the features, shape (frames, n_mels), and the service's windows of them, (windows, frames, n_mels).

    Raises `ValueError` when the waveform is shorter than a window.
    """
    mel = log_mel(waveform, params)
    if len(mel) < params.window_frames:
        msg = f"the golden recording must be longer than {params.window_s:.2f} s"
        raise ValueError(msg)
    view = np.lib.stride_tricks.sliding_window_view(mel, params.window_frames, axis=0)[:: params.decision_frames]
    return mel, np.array(view.transpose(0, 2, 1))
