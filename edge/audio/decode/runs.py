"""Runs of sound in a recording, and the choice of a decoder.

Each run is opened after the end of the run before it.
"""

from __future__ import annotations

import contextlib
import math
import os
from typing import TYPE_CHECKING, BinaryIO, Protocol

from edge.audio.decode.asf import read_asf_completeness
from edge.audio.decode.convert import ConvertedReader, ConvertError, find_ffmpeg
from edge.audio.decode.cpubudget import CpuBudget
from edge.audio.decode.flac import find_flac_part, find_next_flac
from edge.audio.decode.header import (
    ASF,
    ForeignFormat,
    count_leading_junk,
    detect_container,
    detect_foreign_format,
    looks_like_audio,
)
from edge.audio.decode.layout import Layout, LayoutError, read_layout
from edge.audio.decode.sndfile import CodecError, OpenError, SoundReader
from edge.audio.decode.view import View
from edge.errors import BrokenAudio, DataError, EmptyInput, NotAudio

if TYPE_CHECKING:
    from collections.abc import Generator

    import numpy as np
    from numpy.typing import NDArray

    from edge.audio.decode.view import Piece

MIN_COMPLETENESS = 0.9
"""Least share of the promised sound that a recording must contain."""
_MOST_RUNS = 1_000
_READ_AHEAD_BYTES = 1 << 16  # libFLAC reads ahead of its decoding


class Reader(Protocol):
    """Decoder of one run of sound, from its beginning to its end."""

    rate_hz: int
    channels: int
    done: int
    """Number of samples read in each channel."""
    failed: bool
    """Whether decoding ended at damage."""
    exact: bool
    """Whether `frames` is exact, rather than rounded up to whole packets."""
    completeness: float
    """Share of the promised sound that is in the file, 0 to 1."""

    @property
    def frames(self) -> int | None:
        """Samples in each channel according to the header; None if it has no length."""

    @property
    def used(self) -> float:
        """Share of the file's bytes that were read, 0 to 1."""

    def read(self) -> NDArray[np.float32]:
        """Return the next samples, shape (n,) or (n, channels), n = 0 at the end."""

    def close(self) -> None:
        """Close the decoder."""


def open_runs(file: BinaryIO, name: str, max_s: float | None) -> Generator[Reader]:
    """Yield a reader for each run of sound, open until the next one.

    Raises `EmptyInput`, `NotAudio` and `BrokenAudio`, with `name` in the message.
    """
    file.seek(0)
    head = file.read(16)
    if not head:
        msg = "the file is empty"
        raise EmptyInput(msg, where=name)
    size = file.seek(0, os.SEEK_END)
    foreign = detect_foreign_format(head)
    if foreign is not None:
        completeness = read_asf_completeness(file, size) if foreign.demuxer == ASF else 1.0
        _check_completeness(Layout([], completeness), name)
        yield from _convert(file, name, foreign, max_s, completeness)
        return
    try:
        layout = read_layout(file, size, max_s)
    except LayoutError as exc:
        msg = f"the file {exc}"
        raise BrokenAudio(msg, where=name) from exc
    _check_completeness(layout, name)
    container, budget = detect_container(head), CpuBudget(limited=max_s is not None)
    try:
        yield from _decode(file, size, name, layout, budget)
    except (CodecError, OpenError) as exc:
        if budget.exhausted:
            msg = "the file is damaged: it takes too long to read"
            raise BrokenAudio(msg, where=name) from exc
        # The pages of an Ogg file are complete, so it is not damaged: it has another codec, or video before the sound.
        if container is None or not (isinstance(exc, CodecError) or container.demuxer == "ogg"):
            raise _explain_unreadable(file, head, name) from exc
        lack = "in a codec that libsndfile lacks" if isinstance(exc, CodecError) else "that libsndfile cannot open"
        what = layout.codec or f"{container.demuxer.upper()} {lack}"
        yield from _convert(file, name, ForeignFormat(what, container.demuxer), max_s)


def _explain_unreadable(file: BinaryIO, head: bytes, name: str) -> DataError:
    if looks_like_audio(head):
        return BrokenAudio("the file is damaged: its beginning cannot be decoded", where=name)
    junk = count_leading_junk(file)
    if junk:
        return NotAudio(f"the file begins with {junk} bytes that are not audio", where=name, remedy="remove them")
    return NotAudio(
        "the file is not in a known audio format", where=name, remedy="convert it to WAV, FLAC, OGG, Opus or MP3"
    )


def _decode(file: BinaryIO, size: int, name: str, layout: Layout, budget: CpuBudget) -> Generator[Reader]:
    """Yield the runs that libsndfile decodes; raises `CodecError` and `OpenError` for the first."""
    if layout.codec:
        raise CodecError(layout.codec)
    if not layout.runs:
        msg = "no beginning that is known"
        raise OpenError(msg)
    waiting = list(layout.runs)
    with contextlib.closing(SoundReader(View(file, waiting.pop(0), budget))) as reader:
        if reader.frames == 0 and not waiting:
            msg = "the file holds no sound"
            raise EmptyInput(msg, where=name)
        reader.completeness = layout.completeness
        yield reader
        waiting += _find_next_stream(file, size, reader) if layout.flac else []
    for _ in range(_MOST_RUNS):
        if not waiting:
            return
        with contextlib.closing(_open_part(View(file, waiting.pop(0), budget), name)) as reader:
            yield reader
            waiting += _find_next_stream(file, size, reader) if layout.flac else []
    msg = "the file is damaged: it consists of too many parts"
    raise BrokenAudio(msg, where=name)


def _open_part(view: View, name: str) -> SoundReader:
    try:
        return SoundReader(view)
    except (CodecError, OpenError) as exc:
        msg = "the file is damaged: one of its parts cannot be decoded"
        raise BrokenAudio(msg, where=name) from exc


def _check_completeness(layout: Layout, name: str) -> None:
    if not layout.completeness:
        msg = "the file holds no sound"
        raise EmptyInput(msg, where=name)
    if layout.completeness < MIN_COMPLETENESS:
        how = "damaged" if layout.has_hole else "cut off"
        msg = f"the file is {how}: it holds {math.floor(100 * layout.completeness)}% of what its header promises"
        raise BrokenAudio(msg, where=name)


def _find_next_stream(file: BinaryIO, size: int, reader: SoundReader) -> list[tuple[Piece, ...]]:
    """Return the pieces of the next stream, if any."""
    here, reached = reader.view.begin, reader.view.reached
    found = find_next_flac(file, max(here + 1, reached - _READ_AHEAD_BYTES), size)
    return [] if found is None else [(find_flac_part(file, found, size),)]


def _convert(
    file: BinaryIO, name: str, what: ForeignFormat, max_s: float | None, completeness: float = 1.0
) -> Generator[Reader]:
    program = find_ffmpeg()
    if program is None:
        msg = f"the file is {what.name}, which only ffmpeg can read"
        raise NotAudio(msg, where=name, remedy="apt install ffmpeg, or convert the file to WAV or FLAC")
    try:
        reader = ConvertedReader(file, what.demuxer, program, max_s)
    except ConvertError as exc:
        msg = f"ffmpeg finds no sound in the file, which is {what.name}"
        raise BrokenAudio(msg, where=name, remedy="check whether it is cut off, damaged, or in a rare codec") from exc
    with contextlib.closing(reader):
        reader.completeness = completeness
        yield reader
