"""The golden recording of a bundle: waveform, features and expected logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge.errors import DataError
from edge.frontend.mel import log_mel
from training.data.features import load_audio
from training.measure.scoring import cut_windows

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edge.frontend.params import FrontEndParams

_LENGTH_S = 6.0


def cut_golden_waveform(recording: Path, rate_hz: int) -> NDArray[np.float32]:
    """Return the loudest 6 s of a recording, as multiples of 1/32768.

    A shorter recording is returned as a whole. Raises `DataError` for a file that is not audio.
    """
    samples, length = load_audio(recording, rate_hz), round(_LENGTH_S * rate_hz)
    if len(samples) > length:
        energy = np.concatenate(([0.0], np.cumsum(np.square(samples, dtype=np.float64))))
        begin = int(np.argmax(energy[length:] - energy[:-length]))
        samples = samples[begin : begin + length]
    return np.asarray(np.round(np.clip(samples, -1.0, 1.0) * 32767.0) / 32768.0, np.float32)


def compute_golden_features(
    waveform: NDArray[np.float32], params: FrontEndParams, *, streaming: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the features, (frames, n_mels), and the network's input.

    The input is that of `arrange_features`. Raises `DataError` when the waveform is shorter than a window.
    """
    mel = log_mel(waveform, params)
    if len(mel) < params.window_frames:
        msg = f"the golden recording must be longer than {params.window_s:.2f} s"
        raise DataError(msg)
    return mel, arrange_features(mel, params, streaming=streaming)


def arrange_features(mel: NDArray[np.float32], params: FrontEndParams, *, streaming: bool) -> NDArray[np.float32]:
    """Return a network's input from a clip's features, shape (frames, n_mels).

    A window network gets the service's windows, (windows, window_frames, n_mels); a streaming network the whole steps
    of the clip as one sequence, (1, decision_frames * steps, n_mels). A clip that is too short is preceded by silence.
    """
    if not streaming:
        return cut_windows(mel, params, params.decision_frames)
    step = params.decision_frames
    missing = -len(mel) % step if len(mel) < params.window_frames else 0
    mel = np.pad(mel, ((missing, 0), (0, 0)), constant_values=params.silence)
    return np.ascontiguousarray(mel[None, : len(mel) // step * step])
