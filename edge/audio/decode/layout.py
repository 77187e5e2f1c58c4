"""Layout of a recording: its runs of sound in a row, and their completeness."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from edge.audio.decode.container import HEAD_BYTES, find_body, is_container
from edge.audio.decode.flac import FLAC, find_flac_part
from edge.audio.decode.mpeg import MpegError, find_mpeg_runs
from edge.audio.decode.mpeg_frame import measure_id3
from edge.audio.decode.ogg import OGG, OggError, find_ogg_links

if TYPE_CHECKING:
    from edge.audio.decode.view import Piece

# Codecs of WAV that libsndfile knows; it reports a file with any other as damaged.
_WAVE_CODECS = frozenset({1, 2, 3, 6, 7, 0x11, 0x31, 0x38, 0x40, 0x55, 0xFFFE})
_OGG_CODECS = {b"\x7fFLAC": "Ogg FLAC", b"Speex   ": "Speex"}


class LayoutError(Exception):
    """A missing part; the message follows the recording's name in a sentence."""


@dataclass
class Layout:
    """Parts of a file that libsndfile reads."""

    runs: list[tuple[Piece, ...]]
    """Pieces of each run of sound; empty for an unknown kind of file."""
    completeness: float = 1.0
    """Share of the promised sound that is present, 0 to 1."""
    has_hole: bool = False
    """Whether sound before the end may be missing."""
    codec: str = ""
    """Name of a codec that libsndfile does not read; else empty."""
    flac: bool = False
    """Whether another stream may follow the first, which only decoding shows."""


def read_layout(file: BinaryIO, size: int, max_s: float | None) -> Layout:
    """Read the layout of a recording, up to `max_s` seconds of it; raises `LayoutError`."""
    longest_s = math.inf if max_s is None else max_s
    file.seek(0)
    head = file.read(HEAD_BYTES)
    start = measure_id3(head)
    file.seek(start)
    magic = file.read(4)
    if magic == FLAC:
        return Layout([(find_flac_part(file, start, size),)], flac=True)
    if magic == OGG and not start:
        return _read_ogg_layout(file, size, longest_s)
    if not start and is_container(head):
        body = find_body(file, size)
        if body is None:
            return Layout([((0, size),)])
        completeness = body.present / body.promised if body.promised else 0.0
        foreign = body.codec is not None and body.codec not in _WAVE_CODECS
        codec = f"WAV in a codec ({body.codec:#06x}) that libsndfile lacks" if foreign else ""
        return Layout([_patch(size if body.tail else body.end, body.patches)], completeness, codec=codec)
    return _read_mpeg_layout(file, size, start, longest_s)


def _read_ogg_layout(file: BinaryIO, size: int, longest_s: float) -> Layout:
    try:
        links = find_ogg_links(file, size, longest_s)
    except OggError as exc:
        raise LayoutError(str(exc)) from exc
    codecs = [name for link in links for magic, name in _OGG_CODECS.items() if link.codec.startswith(magic)]
    return Layout([((link.begin, link.end),) for link in links] or [((0, size),)], codec=codecs[0] if codecs else "")


def _read_mpeg_layout(file: BinaryIO, size: int, start: int, longest_s: float) -> Layout:
    try:
        runs = find_mpeg_runs(file, size, start, longest_s)
    except MpegError as exc:
        msg = f"is damaged: {exc}"
        raise LayoutError(msg) from exc
    promised = sum(max(run.frames, run.promised or 0) for run in runs)
    completeness = sum(run.frames for run in runs) / promised if promised else 1.0
    return Layout([run.make_pieces() for run in runs], completeness, has_hole=any(len(run.spans) > 1 for run in runs))


def _patch(size: int, patches: dict[int, bytes]) -> tuple[Piece, ...]:
    """Return the pieces of a file with some of its bytes replaced."""
    pieces: list[Piece] = []
    begin = 0
    for place, data in sorted(patches.items()):
        pieces += [(begin, place), data]
        begin = place + len(data)
    return (*pieces, (begin, size))
