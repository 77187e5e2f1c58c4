"""The one decoder of recordings: WAV, FLAC, OGG (Vorbis, Opus), MP3 and their kin, block by block.

Everything that reads a file goes through `open_clip`, so a recording gives the same samples to a live source,
a replay and an upload. A file may hold less than its header promises, as after a power cut: what can be read
counts, unless more than a tenth is missing. An Ogg file says no length: it must be whole.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import soundfile as sf

from edge.audio.damage import refuse_damage
from edge.audio.header import looks_like_audio, wav_held_fraction
from edge.audio.ogg import ogg_wound
from edge.errors import BrokenAudio, DataError, EmptyInput, Forbidden, InputMissing, NotAudio, TooLarge
from edge.frontend.downmix import Downmix
from edge.frontend.resample import StreamResampler

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO
    from types import TracebackType

    from numpy.typing import NDArray

_FORMATS = frozenset({"WAV", "WAVEX", "RF64", "W64", "FLAC", "OGG", "MP3", "MPEG", "AIFF", "AU", "CAF"})
_RATES_HZ = (1_000, 384_000)
_READ_VALUES = 1 << 17  # decoded at once: 8 s of mono at 16 kHz, half a megabyte
_ENOUGH = 0.9
_UNKNOWN_FRAMES = 1 << 56  # libsndfile's word for a length it does not know is near 2**63


class Clip:
    """An opened recording. Use as a context manager; `blocks` may be walked once."""

    def __init__(self, source: Path | BinaryIO, max_s: float | None) -> None:
        """Open and check; see `open_clip`."""
        self._name = str(source) if isinstance(source, Path) else "the recording"
        self._max_s, self._downmix = max_s, Downmix()
        with contextlib.ExitStack() as stack:
            self._sound = self._open(stack, source)
            self._check()
            self._stack = stack.pop_all()

    @property
    def rate_hz(self) -> int:
        """Samples per second in the file."""
        return int(self._sound.samplerate)

    @property
    def channels(self) -> int:
        """Channels in the file."""
        return int(self._sound.channels)

    @property
    def duration_s(self) -> float | None:
        """Seconds of sound as the header has it; None when it does not say."""
        frames = self._sound.frames
        return None if frames >= _UNKNOWN_FRAMES else frames / self.rate_hz

    @property
    def remark(self) -> str:
        """What is to be known about the sound decoded so far, in one line; empty when all is well."""
        return self._downmix.remark

    def blocks(self, rate_out_hz: int, block_s: float = 0.5) -> Iterator[NDArray[np.float32]]:
        """Yield mono blocks of `block_s` seconds, shape (n,), at `rate_out_hz`; the last one is shorter.

        The samples do not depend on `block_s`. Raises `BrokenAudio` where the damage is met, `TooLarge` as soon
        as more than `max_s` seconds have been decoded, `EmptyInput` when there was nothing at all.
        """
        size = max(1, round(block_s * rate_out_hz))
        rest = np.empty(0, np.float32)
        for piece in self._resampled(rate_out_hz):
            joined = np.concatenate((rest, piece)) if rest.size else piece
            whole = joined.size - joined.size % size
            for start in range(0, whole, size):
                yield joined[start : start + size]
            rest = joined[whole:]
        if rest.size:
            yield rest

    def close(self) -> None:
        """Close the file; twice does no harm."""
        self._stack.close()

    def __enter__(self) -> Clip:  # noqa: PYI034 - Self is newer than Python 3.10
        """Return the clip itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def _open(self, stack: contextlib.ExitStack, source: Path | BinaryIO) -> sf.SoundFile:
        file = stack.enter_context(_open_path(source)) if isinstance(source, Path) else source
        file.seek(0)
        head = file.read(16)
        if not head:
            msg = f"{self._name} is empty"
            raise EmptyInput(msg)
        self._held, self._wound = wav_held_fraction(file), ogg_wound(file)
        try:
            # By descriptor libsndfile reads the file itself, which is faster than calls back into Python; in
            # both cases it judges by content and never by the name's ending.
            sound = sf.SoundFile(file.fileno() if isinstance(source, Path) else _Seekable(file), closefd=False)
        except (sf.SoundFileError, TypeError, ValueError) as exc:
            if looks_like_audio(head):
                msg = f"{self._name} is damaged: its beginning cannot be decoded"
                raise BrokenAudio(msg) from exc
            msg = f"{self._name} is no audio that can be read; WAV, FLAC, OGG, Opus and MP3 are"
            raise NotAudio(msg) from exc
        stack.callback(sound.close)
        if sound.format not in _FORMATS:
            msg = f"{self._name} is no audio that can be read; WAV, FLAC, OGG, Opus and MP3 are, not {sound.format}"
            raise NotAudio(msg)
        return sound

    def _check(self) -> None:
        low, high = _RATES_HZ
        if self._wound:
            msg = f"{self._name} {self._wound}"
            raise BrokenAudio(msg)
        if not self._sound.frames:
            msg = f"{self._name} holds no sound"
            raise EmptyInput(msg)
        if self._held < _ENOUGH:
            msg = f"{self._name} is cut off: it holds {self._held:.0%} of what its header promises"
            raise BrokenAudio(msg)
        if not low <= self.rate_hz <= high:
            msg = f"{self._name} is damaged: a sample rate of {self.rate_hz} Hz is not between {low} and {high}"
            raise BrokenAudio(msg)
        if self.duration_s is not None:
            self._check_length(self.duration_s)

    def _check_length(self, seconds: float) -> None:
        if self._max_s is not None and seconds > self._max_s:
            msg = f"{self._name} is longer than the {self._max_s:g} s allowed"
            raise TooLarge(msg)

    def _resampled(self, rate_out_hz: int) -> Iterator[NDArray[np.float32]]:
        resampler = StreamResampler(self.rate_hz, rate_out_hz)
        for piece in self._decoded():
            yield resampler.push(piece)
        yield resampler.push(np.empty(0, np.float32), last=True)

    def _decoded(self) -> Iterator[NDArray[np.float32]]:
        frames = max(1, _READ_VALUES // self.channels)
        done = 0
        while True:
            try:
                piece = self._sound.read(frames, dtype="float32")
            except sf.SoundFileError as exc:
                msg = f"{self._name} is damaged: it cannot be decoded beyond {done / self.rate_hz:.1f} s"
                raise BrokenAudio(msg) from exc
            if not len(piece):
                break
            refuse_damage(piece, self._name, done, self.rate_hz)
            done += len(piece)
            self._check_length(done / self.rate_hz)
            yield self._downmix.push(piece)
        self._check_amount(done)

    def _check_amount(self, done: int) -> None:
        if not done:
            msg = f"{self._name} holds no sound"
            raise EmptyInput(msg)
        if self.duration_s is not None and done < _ENOUGH * self._sound.frames:
            part = done / self._sound.frames
            msg = f"{self._name} is cut off: it holds {part:.0%} of what its header promises"
            raise BrokenAudio(msg)


def open_clip(source: Path | BinaryIO, *, max_s: float | None = None) -> Clip:
    """Open a recording: a path, or a seekable binary file (which stays the caller's to close).

    Raises `InputMissing` (no such file), `Forbidden`, `EmptyInput` (no bytes, or no sound in it), `NotAudio`,
    `BrokenAudio` and, when the header already says more than `max_s` seconds, `TooLarge`.
    """
    return Clip(source, max_s)


def _open_path(path: Path) -> FileIO:
    try:
        return path.open("rb", buffering=0)  # libsndfile begins where the descriptor stands
    except FileNotFoundError as exc:
        msg = f"there is no file {path}"
        raise InputMissing(msg) from exc
    except IsADirectoryError as exc:
        msg = f"{path} is a folder; name a recording in it"
        raise NotAudio(msg) from exc
    except PermissionError as exc:
        msg = f"{path} may not be read; change its permissions"
        raise Forbidden(msg) from exc
    except OSError as exc:
        msg = f"{path} cannot be read: {exc.strerror}"
        raise DataError(msg) from exc


class _Seekable:
    """A file as libsndfile wants it: a seek to nowhere is answered, not raised into C code that cannot see it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.read, self.tell = file.read, file.tell

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return self._file.seek(offset, whence)
        except (ValueError, OSError):
            return -1
