"""Log-mel features of a stream, block by block, each frame computed once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge.frontend.mel import cut_frames, log_mel_from_power, power_spectrum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.frontend.params import FrontEndParams


class StreamingFrames:
    """Frames of a stream; incomplete frames wait for the next block."""

    def __init__(self, params: FrontEndParams, group: int = 1) -> None:
        """Start an empty stream that returns frames in multiples of `group`."""
        if group < 1:
            msg = f"a group holds at least one frame, not {group}"
            raise ValueError(msg)
        self._params = params
        self._group = group
        self._rest = np.empty(0, np.float32)

    def push(self, samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Take the next samples, shape (n,); return the new frames.

        Returns the power spectra, shape (frames, n_fft // 2 + 1), and the log-mel features, shape (frames, n_mels),
        of the frames that are complete now. Any chunking gives the same frames as `edge.frontend.mel.log_mel`.
        """
        joined = np.concatenate((self._rest, samples)) if self._rest.size else np.asarray(samples, np.float32)
        whole = self._params.count_frames(joined.size) // self._group * self._group
        frames = cut_frames(joined, self._params)[:whole]
        self._rest = joined[len(frames) * self._params.hop_samples :].copy()
        power = power_spectrum(frames, self._params)
        return power, log_mel_from_power(power, self._params)

    @property
    def waiting_samples(self) -> int:
        """Number of samples kept for the next frames."""
        return self._rest.size

    def reset(self) -> None:
        """Forget the waiting samples: the next block begins a new stream."""
        self._rest = np.empty(0, np.float32)
