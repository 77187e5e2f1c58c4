"""Decoding of recordings: WAV, FLAC, OGG (Vorbis, Opus), MP3 and similar, block by block.

All code that reads a recording uses `open_recording`, so a live source, a replay and an upload get the same samples. A
file is read forwards to its end, regardless of the length in its header. A file may contain less than that, for example
after a power cut: the rest is decoded, with a remark, unless more than a tenth is missing. An Ogg file has no length in
its header and must be complete. Formats that libsndfile does not read are decoded by ffmpeg, if it is installed.
"""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from edge.audio.decode.damage import refuse_damage
from edge.audio.decode.runs import MIN_COMPLETENESS, Reader, open_runs
from edge.errors import BrokenAudio, DataError, EmptyInput, NotAudio, TooLarge, from_os_error
from edge.frontend.downmix import Downmix
from edge.frontend.resample import StreamResampler

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from types import TracebackType

    from numpy.typing import NDArray

_RATES_HZ = (1_000, 384_000)
_COMPLETE = 0.99  # a smaller part is remarked
_VALUES_PER_S = 192_000  # stereo at 96 kHz: with more channels or a higher rate, fewer seconds are allowed


class Recording:
    """An open recording, for use as a context manager; `blocks` may be iterated once."""

    def __init__(self, source: Path | BinaryIO, max_s: float | None) -> None:
        """Open and check the recording; see `open_recording`."""
        self._name = str(source) if isinstance(source, Path) else "the recording"
        self._max_s, self._downmix = max_s, Downmix()
        self._done_s, self._completeness = 0.0, 1.0
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(_open_path(source)) if isinstance(source, Path) else source
            self._runs = stack.enter_context(contextlib.closing(self._open_runs(file)))
            self._first = next(self._runs)
            self._stack = stack.pop_all()

    @property
    def rate_hz(self) -> int:
        """Samples per second in the file."""
        return self._first.rate_hz

    @property
    def channels(self) -> int:
        """Channels in the file."""
        return self._first.channels

    @property
    def duration_s(self) -> float | None:
        """Duration in seconds according to the header; None if it has none.

        For several recordings in one file, that of the first.
        """
        return None if self._first.frames is None else self._first.frames / self.rate_hz

    @property
    def remark(self) -> str:
        """A note on the sound decoded so far, in one line; empty without a problem."""
        if self._completeness > _COMPLETE:
            return self._downmix.remark
        lack = f"it is cut off or damaged: {math.floor(100 * self._completeness)}% of it is heard"
        return f"{lack}; {self._downmix.remark}".removesuffix("; ")

    def blocks(self, rate_out_hz: int, block_s: float = 0.5) -> Iterator[NDArray[np.float32]]:
        """Yield mono blocks of `block_s` seconds at `rate_out_hz`, shape (n,); the last is shorter.

        The samples do not depend on `block_s`. Raises `BrokenAudio` at damage, `TooLarge` as soon as more than
        `max_s` seconds have been decoded, and `EmptyInput` if there is no sound at all.
        """
        size = max(1, round(block_s * rate_out_hz))
        rest = np.empty(0, np.float32)
        for piece in self._resample(rate_out_hz):
            joined = np.concatenate((rest, piece)) if rest.size else piece
            whole = joined.size - joined.size % size
            for start in range(0, whole, size):
                yield joined[start : start + size]
            rest = joined[whole:]
        if rest.size:
            yield rest

    def close(self) -> None:
        """Close the file; it may be called twice."""
        self._stack.close()

    def __enter__(self) -> Recording:  # noqa: PYI034 - Self is newer than Python 3.10
        """Return the recording itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def _open_runs(self, file: BinaryIO) -> Generator[Reader]:
        """Yield the runs of sound in the file, with allowed rates and lengths."""
        try:
            with contextlib.closing(open_runs(file, self._name, self._max_s)) as runs:
                for run in runs:
                    self._check(run)
                    yield run
        except OSError as exc:
            raise from_os_error(exc, self._name) from exc

    def _check(self, run: Reader) -> None:
        low, high = _RATES_HZ
        if not low <= run.rate_hz <= high:
            msg = f"the file is damaged: its sample rate of {run.rate_hz} Hz is not between {low} and {high}"
            raise BrokenAudio(msg, where=self._name)
        if run.frames is not None:
            self._check_length(run, run.frames)

    def _check_length(self, run: Reader, frames: int) -> None:
        """Raise `TooLarge` if a run with `frames` samples makes the recording too long."""
        if self._max_s is None:
            return
        values_per_s = run.rate_hz * run.channels
        longest_s = self._max_s * min(1.0, _VALUES_PER_S / values_per_s)
        if self._done_s + frames / run.rate_hz > longest_s:
            of = f" for {run.channels} channels at {run.rate_hz} Hz" if values_per_s > _VALUES_PER_S else ""
            msg = f"the recording is longer than the {longest_s:g} s allowed{of}"
            raise TooLarge(msg, where=self._name)

    def _resample(self, rate_out_hz: int) -> Iterator[NDArray[np.float32]]:
        run: Reader | None = self._first
        while run is not None:
            resampler = StreamResampler(run.rate_hz, rate_out_hz)
            for piece in self._decode(run):
                yield resampler.push(piece)
            yield resampler.push(np.empty(0, np.float32), last=True)
            self._check_amount(run)
            self._done_s += run.done / run.rate_hz
            run = next(self._runs, None)
        if not self._done_s:
            msg = "the file holds no sound"
            raise EmptyInput(msg, where=self._name)

    def _decode(self, run: Reader) -> Iterator[NDArray[np.float32]]:
        begin = 0
        while len(piece := run.read()):
            refuse_damage(piece, self._name, round(self._done_s * run.rate_hz) + begin, run.rate_hz)
            begin = run.done
            self._check_length(run, begin)
            yield self._downmix.push(piece)

    def _check_amount(self, run: Reader) -> None:
        """Raise `BrokenAudio` for a run that ended before nine tenths of its promised length.

        Without a length in the header, the bytes of the file are compared.
        """
        part = run.done / run.frames if run.frames else run.used if run.failed else 1.0
        if part >= MIN_COMPLETENESS:
            self._completeness = min(self._completeness, run.completeness, part if run.exact else 1.0)
            return
        if run.failed and run.used < 1.0:
            msg = f"the file is damaged: it cannot be decoded beyond {self._done_s + run.done / run.rate_hz:.1f} s"
        else:
            msg = f"the file is cut off: it holds {math.floor(100 * part)}% of what its header promises"
        raise BrokenAudio(msg, where=self._name)


def open_recording(source: Path | BinaryIO, *, max_s: float | None = None) -> Recording:
    """Open a recording: a path, or a seekable binary file, which the caller closes.

    Raises `InputMissing` (no such file), `Forbidden`, `EmptyInput` (no bytes, or no sound), `NotAudio`, `BrokenAudio`
    and, if the header has more than `max_s` seconds, `TooLarge`.
    """
    return Recording(source, max_s)


def _open_path(path: Path) -> BinaryIO:
    try:
        file = path.open("rb")
    except IsADirectoryError as exc:
        msg = "this is a folder"
        raise NotAudio(msg, where=path, remedy="name a recording in it") from exc
    except OSError as exc:
        raise from_os_error(exc, path) from exc
    if not file.seekable():
        file.close()
        msg = "the file is a pipe, which cannot be read twice"
        raise DataError(msg, where=path, remedy="save the recording to a file first")
    return file
