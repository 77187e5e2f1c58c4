"""libsndfile, read forwards: every sample that it can decode, whatever length it believes in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import soundfile as sf

from edge.audio.decode.quiet import quiet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.audio.decode.view import View

_READ_VALUES = 1 << 17  # decoded at once: 8 s of mono at 16 kHz, half a megabyte
_UNKNOWN_FRAMES = 1 << 56  # libsndfile's word for a length it does not know is near 2**63
_UNSUPPORTED = 4  # libsndfile's code for a codec that it lacks in a container that it knows


class _Forwards(sf.SoundFile):  # type: ignore[misc] # soundfile carries no types
    """A file that is not sought in: soundfile would do so after each reading, and a FLAC without length cannot."""

    def seekable(self) -> bool:
        return False


class CodecError(Exception):
    """libsndfile knows the container, but not what is in it."""


class OpenError(Exception):
    """libsndfile can make nothing of it."""


class SoundReader:
    """One run of sound, decoded from its beginning to its end."""

    def __init__(self, view: View) -> None:
        """Open it; raises `CodecError` and `OpenError`."""
        try:
            with view.effort.counted(), quiet():
                self._sound = _Forwards(view)
        except sf.LibsndfileError as exc:
            raise (CodecError if exc.code == _UNSUPPORTED else OpenError)(str(exc)) from exc
        except (sf.SoundFileError, TypeError, ValueError) as exc:
            raise OpenError(str(exc)) from exc
        if view.effort.too_much:
            self._sound.close()
            msg = "it takes too long"
            raise OpenError(msg)
        self.view, self.failed, self.done, self.held, self.exact = view, False, 0, 1.0, True
        self.rate_hz, self.channels = int(self._sound.samplerate), int(self._sound.channels)
        frames = int(self._sound.frames)
        self.frames: int | None = frames if frames < _UNKNOWN_FRAMES else None
        """Samples in each channel as the header has it; None when it does not say."""

    @property
    def used(self) -> float:
        """How much of the file's bytes were read."""
        return self.view.tell() / self.view.size if self.view.size else 1.0

    def read(self) -> NDArray[np.float32]:
        """Return what comes next, shape (n,) or (n, channels), n = 0 at the end; `failed` tells an end by damage."""
        frames = max(1, _READ_VALUES // self.channels)
        if self.frames is not None:
            frames = min(frames, self.frames - self.done)  # libsndfile gives no more, and writes zeros for the rest
        out = np.empty(frames if self.channels == 1 else (frames, self.channels), np.float32)
        if self.failed or not frames:
            return out[:0]
        with self.view.effort.counted(), quiet():
            try:
                count = len(self._sound.read(out=out))
            except sf.SoundFileError:
                # What was decoded before the damage lies in `out`; how much it is only the position tells.
                self.failed, count = True, max(0, self._sound.tell() - self.done)
        self.done += count
        self.view.effort.reward(count / self.rate_hz)
        self.failed |= self.view.effort.too_much
        return out[:count]

    def close(self) -> None:
        """Give libsndfile's memory back."""
        with quiet():
            self._sound.close()
