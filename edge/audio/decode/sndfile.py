"""Decoding by libsndfile, forwards to the end of the sound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import soundfile as sf

from edge.audio.decode.cstderr import silence_stderr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.audio.decode.view import View

_READ_VALUES = 1 << 17  # values per read: 8 s of mono at 16 kHz, half a megabyte
_UNKNOWN_FRAMES = 1 << 56  # libsndfile reports an unknown length as a number near 2**63
_UNSUPPORTED = 4  # libsndfile's code for an unknown codec in a known container


class _ForwardSoundFile(sf.SoundFile):  # type: ignore[misc] # soundfile carries no types
    """Sound file without seeking.

    soundfile would seek after each read, which fails for a FLAC file without a length.
    """

    def seekable(self) -> bool:
        return False


class CodecError(Exception):
    """A known container with a codec that libsndfile does not read."""


class OpenError(Exception):
    """A file that libsndfile cannot open."""


class SoundReader:
    """Decoder of one run of sound through libsndfile."""

    def __init__(self, view: View) -> None:
        """Open the file; raises `CodecError` and `OpenError`."""
        try:
            with view.budget.measure(), silence_stderr():
                self._sound = _ForwardSoundFile(view)
        except sf.LibsndfileError as exc:
            raise (CodecError if exc.code == _UNSUPPORTED else OpenError)(str(exc)) from exc
        except (sf.SoundFileError, TypeError, ValueError) as exc:
            raise OpenError(str(exc)) from exc
        if view.budget.exhausted:
            self._sound.close()
            msg = "it takes too long"
            raise OpenError(msg)
        self.view, self.failed, self.done, self.completeness, self.exact = view, False, 0, 1.0, True
        self.rate_hz, self.channels = int(self._sound.samplerate), int(self._sound.channels)
        frames = int(self._sound.frames)
        self.frames: int | None = frames if frames < _UNKNOWN_FRAMES else None
        """Samples in each channel according to the header; None if it has no length."""

    @property
    def used(self) -> float:
        """Share of the file's bytes that were read, 0 to 1."""
        return self.view.tell() / self.view.size if self.view.size else 1.0

    def read(self) -> NDArray[np.float32]:
        """Return the next samples, shape (n,) or (n, channels), n = 0 at the end.

        `failed` is set if the sound ended at damage.
        """
        frames = max(1, _READ_VALUES // self.channels)
        if self.frames is not None:
            frames = min(frames, self.frames - self.done)  # libsndfile would fill the rest with zeros
        out = np.empty(frames if self.channels == 1 else (frames, self.channels), np.float32)
        if self.failed or not frames:
            return out[:0]
        with self.view.budget.measure(), silence_stderr():
            try:
                count = len(self._sound.read(out=out))
            except sf.SoundFileError:
                # The sound before the damage is in `out`; only the position shows its length.
                self.failed, count = True, max(0, self._sound.tell() - self.done)
        self.done += count
        self.view.budget.extend(count / self.rate_hz)
        self.failed |= self.view.budget.exhausted
        return out[:count]

    def close(self) -> None:
        """Free the memory of libsndfile."""
        with silence_stderr():
            self._sound.close()
