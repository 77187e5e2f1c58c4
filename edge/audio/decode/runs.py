"""The runs of sound in a recording, each opened when the one before it has ended, by whatever decodes it."""

from __future__ import annotations

import contextlib
import math
import os
from typing import TYPE_CHECKING, BinaryIO, Protocol

from edge.audio.decode.asf import asf_held
from edge.audio.decode.convert import ConvertedReader, ConvertError, ffmpeg_path
from edge.audio.decode.effort import Effort
from edge.audio.decode.flac import flac_part, next_flac
from edge.audio.decode.header import ASF, Foreign, foreign_codec, foreign_format, junk_before, looks_like_audio
from edge.audio.decode.layout import Layout, LayoutError, layout_of
from edge.audio.decode.sndfile import CodecError, OpenError, SoundReader
from edge.audio.decode.view import View
from edge.errors import BrokenAudio, DataError, EmptyInput, NotAudio

if TYPE_CHECKING:
    from collections.abc import Generator

    import numpy as np
    from numpy.typing import NDArray

    from edge.audio.decode.view import Piece

ENOUGH = 0.9
"""The part of what its header promises that makes a recording."""
_MOST_RUNS = 1_000
_READ_AHEAD_BYTES = 1 << 16  # libFLAC looks further than it decodes


class Reader(Protocol):
    """Decodes one run of sound, from its beginning to its end."""

    rate_hz: int
    channels: int
    done: int
    """Samples in each channel that were read."""
    failed: bool
    """Whether damage ended it."""
    exact: bool
    """Whether `frames` is exact, and not rounded up to whole packets."""
    held: float
    """How much of what headers promise the file holds."""

    @property
    def frames(self) -> int | None:
        """Samples in each channel as the header has it; None when it does not say."""

    @property
    def used(self) -> float:
        """How much of the file's bytes were read."""

    def read(self) -> NDArray[np.float32]:
        """Return what comes next, shape (n,) or (n, channels), n = 0 at the end."""

    def close(self) -> None:
        """Close it."""


def runs_of(file: BinaryIO, name: str, max_s: float | None) -> Generator[Reader]:
    """Yield a reader for each run of sound in a recording; each is closed when the next one is asked for.

    Raises `EmptyInput`, `NotAudio` and `BrokenAudio`, with `name` at the beginning of the message.
    """
    file.seek(0)
    head = file.read(16)
    if not head:
        msg = "the file is empty"
        raise EmptyInput(msg, where=name)
    size = file.seek(0, os.SEEK_END)
    foreign = foreign_format(head)
    if foreign is not None:
        held = asf_held(file, size) if foreign.demuxer == ASF else 1.0
        _check_held(Layout([], held), name)
        yield from _converted(file, name, foreign, max_s, held)
        return
    try:
        layout = layout_of(file, size, max_s)
    except LayoutError as exc:
        msg = f"the file {exc}"
        raise BrokenAudio(msg, where=name) from exc
    _check_held(layout, name)
    container, effort = foreign_codec(head), Effort(bounded=max_s is not None)
    try:
        yield from _decoded(file, size, name, layout, effort)
    except (CodecError, OpenError) as exc:
        if effort.too_much:
            msg = "the file is damaged: it takes too long to read"
            raise BrokenAudio(msg, where=name) from exc
        # The pages of an Ogg file were found whole, so it is not damage: another codec, or a picture comes first.
        if container is None or not (isinstance(exc, CodecError) or container.demuxer == "ogg"):
            raise _unread(file, head, name) from exc
        lack = "in a codec that libsndfile lacks" if isinstance(exc, CodecError) else "that libsndfile cannot open"
        what = layout.codec or f"{container.demuxer.upper()} {lack}"
        yield from _converted(file, name, Foreign(what, container.demuxer), max_s)


def _unread(file: BinaryIO, head: bytes, name: str) -> DataError:
    if looks_like_audio(head):
        return BrokenAudio("the file is damaged: its beginning cannot be decoded", where=name)
    junk = junk_before(file)
    if junk:
        return NotAudio(f"the file begins with {junk} bytes that are not audio", where=name, remedy="remove them")
    return NotAudio(
        "the file is not in a known audio format", where=name, remedy="convert it to WAV, FLAC, OGG, Opus or MP3"
    )


def _decoded(file: BinaryIO, size: int, name: str, layout: Layout, effort: Effort) -> Generator[Reader]:
    """Yield the runs that libsndfile decodes. Raises `CodecError` and `OpenError` of the first."""
    if layout.codec:
        raise CodecError(layout.codec)
    if not layout.runs:
        msg = "no beginning that is known"
        raise OpenError(msg)
    waiting = list(layout.runs)
    with contextlib.closing(SoundReader(View(file, waiting.pop(0), effort))) as reader:
        if reader.frames == 0 and not waiting:
            msg = "the file holds no sound"
            raise EmptyInput(msg, where=name)
        reader.held = layout.held
        yield reader
        waiting += _next_flac(file, size, reader) if layout.flac else []
    for _ in range(_MOST_RUNS):
        if not waiting:
            return
        with contextlib.closing(_part(View(file, waiting.pop(0), effort), name)) as reader:
            yield reader
            waiting += _next_flac(file, size, reader) if layout.flac else []
    msg = "the file is damaged: it consists of too many parts"
    raise BrokenAudio(msg, where=name)


def _part(view: View, name: str) -> SoundReader:
    try:
        return SoundReader(view)
    except (CodecError, OpenError) as exc:
        msg = "the file is damaged: one of its parts cannot be decoded"
        raise BrokenAudio(msg, where=name) from exc


def _check_held(layout: Layout, name: str) -> None:
    if not layout.held:
        msg = "the file holds no sound"
        raise EmptyInput(msg, where=name)
    if layout.held < ENOUGH:
        how = "damaged" if layout.holed else "cut off"
        msg = f"the file is {how}: it holds {math.floor(100 * layout.held)}% of what its header promises"
        raise BrokenAudio(msg, where=name)


def _next_flac(file: BinaryIO, size: int, reader: SoundReader) -> list[tuple[Piece, ...]]:
    """Return the stream that follows the one that was read, if there is one."""
    here, reached = reader.view.begin, reader.view.reached
    found = next_flac(file, max(here + 1, reached - _READ_AHEAD_BYTES), size)
    return [] if found is None else [(flac_part(file, found, size),)]


def _converted(file: BinaryIO, name: str, what: Foreign, max_s: float | None, held: float = 1.0) -> Generator[Reader]:
    program = ffmpeg_path()
    if program is None:
        msg = f"the file is {what.name}, which only ffmpeg can read"
        raise NotAudio(msg, where=name, remedy="apt install ffmpeg, or convert the file to WAV or FLAC")
    try:
        reader = ConvertedReader(file, what.demuxer, program, max_s)
    except ConvertError as exc:
        msg = f"ffmpeg finds no sound in the file, which is {what.name}"
        raise BrokenAudio(msg, where=name, remedy="check whether it is cut off, damaged, or in a rare codec") from exc
    with contextlib.closing(reader):
        reader.held = held
        yield reader
