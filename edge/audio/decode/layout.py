"""How a recording is laid out: the runs of sound that follow one another in it, and whether they are all there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from edge.audio.decode.container import HEAD_BYTES, body_of, is_container
from edge.audio.decode.flac import FLAC, flac_part
from edge.audio.decode.mpeg import MpegError, mpeg_runs
from edge.audio.decode.mpeg_frame import id3_bytes
from edge.audio.decode.ogg import OGG, OggError, ogg_links

if TYPE_CHECKING:
    from edge.audio.decode.view import Piece

# Those of WAV that libsndfile knows; it calls a file in any other damaged.
_WAVE_CODECS = frozenset({1, 2, 3, 6, 7, 0x11, 0x31, 0x38, 0x40, 0x55, 0xFFFE})
_OGG_CODECS = {b"\x7fFLAC": "Ogg FLAC", b"Speex   ": "Speex"}


class LayoutError(Exception):
    """A part is missing; the message follows the recording's name in a sentence."""


@dataclass
class Layout:
    """What libsndfile is to read."""

    runs: list[tuple[Piece, ...]]
    """One for each run of sound; none for a file of no known kind."""
    held: float = 1.0
    """How much of the sound that headers promise is there; 0 where there is none at all."""
    holed: bool = False
    """Whether what is missing may lie before the end."""
    codec: str = ""
    """A codec that libsndfile does not read."""
    flac: bool = False
    """Whether another stream may follow the first, which only decoding tells."""


def layout_of(file: BinaryIO, size: int, max_s: float | None) -> Layout:
    """Return the layout of a recording, looked at as far as `max_s` seconds of it go; raises `LayoutError`."""
    longest_s = math.inf if max_s is None else max_s
    file.seek(0)
    head = file.read(HEAD_BYTES)
    start = id3_bytes(head)
    file.seek(start)
    magic = file.read(4)
    if magic == FLAC:
        return Layout([(flac_part(file, start, size),)], flac=True)
    if magic == OGG and not start:
        return _ogg_layout(file, size, longest_s)
    if not start and is_container(head):
        body = body_of(file, size)
        if body is None:
            return Layout([((0, size),)])
        held = body.there / body.promised if body.promised else 0.0
        foreign = body.codec is not None and body.codec not in _WAVE_CODECS
        codec = f"WAV in a codec ({body.codec:#06x}) that libsndfile lacks" if foreign else ""
        return Layout([_patched(size if body.tail else body.end, body.patches)], held, codec=codec)
    return _mpeg_layout(file, size, start, longest_s)


def _ogg_layout(file: BinaryIO, size: int, longest_s: float) -> Layout:
    try:
        links = ogg_links(file, size, longest_s)
    except OggError as exc:
        raise LayoutError(str(exc)) from exc
    codecs = [name for link in links for magic, name in _OGG_CODECS.items() if link.codec.startswith(magic)]
    return Layout([((link.begin, link.end),) for link in links] or [((0, size),)], codec=codecs[0] if codecs else "")


def _mpeg_layout(file: BinaryIO, size: int, start: int, longest_s: float) -> Layout:
    try:
        runs = mpeg_runs(file, size, start, longest_s)
    except MpegError as exc:
        msg = f"is damaged: {exc}"
        raise LayoutError(msg) from exc
    promised = sum(max(run.frames, run.promised or 0) for run in runs)
    held = sum(run.frames for run in runs) / promised if promised else 1.0
    return Layout([run.pieces() for run in runs], held, holed=any(len(run.spans) > 1 for run in runs))


def _patched(size: int, patches: dict[int, bytes]) -> tuple[Piece, ...]:
    """Return a file with some of its bytes replaced."""
    pieces: list[Piece] = []
    begin = 0
    for place, data in sorted(patches.items()):
        pieces += [(begin, place), data]
        begin = place + len(data)
    return (*pieces, (begin, size))
