"""Detection of audio formats from the first bytes of a file."""

from __future__ import annotations

import re
from typing import BinaryIO, NamedTuple

_ONES, _SYNC, _LAYER, _BAD_RATE = 0xFF, 0xE0, 0x06, 0xF0
_WAVE, _AIFF = (b"WAVE",), (b"AIFF", b"AIFC")
_CONTAINERS = {b"RIFF": _WAVE, b"RIFX": _WAVE, b"RF64": _WAVE, b"FORM": _AIFF}
_MAGICS = (b"fLaC", b"OggS", b".snd", b"dns.", b"caff", b"riff", b"ID3")
_BEGINNING = re.compile(
    rb"fLaC[\x00\x80]\x00\x00\x22|OggS\x00\x02|(RIFF|RIFX|RF64)....WAVE|FORM....AIF[FC]|caff\x00\x01"
    rb"|riff\x2e\x91\xcf\x11|\.snd\x00\x00\x00|\x00\x00\x00.ftyp|\x1a\x45\xdf\xa3|\x30\x26\xb2\x75\x8e\x66\xcf\x11",
    re.DOTALL,
)
ASF = "asf"
_MOST_JUNK = 1 << 18
_DEMUXERS = {
    b"RIFF": "wav",
    b"RIFX": "wav",
    b"RF64": "wav",
    b"FORM": "aiff",
    b"OggS": "ogg",
    b".snd": "au",
    b"caff": "caf",
    b"riff": "w64",
}


class ForeignFormat(NamedTuple):
    """Format that libsndfile does not read."""

    name: str
    demuxer: str
    """Name of the format in ffmpeg."""


_FOREIGN = (
    (4, (b"ftyp",), ForeignFormat("MPEG-4 (m4a, mp4)", "mov")),
    (0, (b"\x1a\x45\xdf\xa3",), ForeignFormat("WebM or Matroska", "matroska")),
    (0, (b"#!AMR",), ForeignFormat("AMR", "amr")),
    (0, (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",), ForeignFormat("Windows Media", ASF)),
    (0, (b"\xff\xf0", b"\xff\xf1", b"\xff\xf8", b"\xff\xf9"), ForeignFormat("AAC", "aac")),
)


def detect_foreign_format(head: bytes) -> ForeignFormat | None:
    """Return the format of a file for ffmpeg; None if libsndfile may read it.

    `head` has the first bytes of the file.
    """
    return next((form for at, magics, form in _FOREIGN if head[at:].startswith(magics)), None)


def detect_container(head: bytes) -> ForeignFormat | None:
    """Return the container of a file for ffmpeg; None for an unknown one.

    libsndfile reads these containers, but not all of their codecs.
    `head` has the first bytes of the file.
    """
    demuxer = _DEMUXERS.get(head[:4])
    return None if demuxer is None else ForeignFormat("", demuxer)


def count_leading_junk(file: BinaryIO) -> int:
    """Return the number of bytes before the first audio header; 0 if none is near."""
    file.seek(0)
    found = _BEGINNING.search(file.read(_MOST_JUNK))
    return found.start() if found else 0


def looks_like_audio(head: bytes) -> bool:
    """Return whether the first bytes of a file look like those of an audio format."""
    if head[:4] in _CONTAINERS:
        return any(kind.startswith(head[8:12]) for kind in _CONTAINERS[head[:4]])
    return head.startswith(_MAGICS) or _looks_like_mpeg(head)


def _looks_like_mpeg(head: bytes) -> bool:
    """Return whether an MPEG frame begins here, by its sync bits, layer and rate."""
    sync, version_and_layer, rates = (*head, 0, 0, 0)[:3]
    return sync == _ONES and version_and_layer >= _SYNC and bool(version_and_layer & _LAYER) and rates < _BAD_RATE
