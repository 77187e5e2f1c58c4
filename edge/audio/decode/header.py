"""The first bytes of a recording: whether it means to be audio, and of what kind."""

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


class Foreign(NamedTuple):
    """A format that libsndfile does not read."""

    name: str
    demuxer: str
    """What ffmpeg calls it."""


_FOREIGN = (
    (4, (b"ftyp",), Foreign("MPEG-4 (m4a, mp4)", "mov")),
    (0, (b"\x1a\x45\xdf\xa3",), Foreign("WebM or Matroska", "matroska")),
    (0, (b"#!AMR",), Foreign("AMR", "amr")),
    (0, (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",), Foreign("Windows Media", ASF)),
    (0, (b"\xff\xf0", b"\xff\xf1", b"\xff\xf8", b"\xff\xf9"), Foreign("AAC", "aac")),
)


def foreign_format(head: bytes) -> Foreign | None:
    """Return the format of a file that begins with these bytes, if libsndfile does not read it and ffmpeg may."""
    return next((form for at, magics, form in _FOREIGN if head[at:].startswith(magics)), None)


def foreign_codec(head: bytes) -> Foreign | None:
    """Return the container of a file that begins with these bytes, if libsndfile reads it, but not all codecs in it."""
    demuxer = _DEMUXERS.get(head[:4])
    return None if demuxer is None else Foreign("", demuxer)


def junk_before(file: BinaryIO) -> int:
    """Return how many bytes lie before the first beginning of a recording; 0 where there is none near."""
    file.seek(0)
    found = _BEGINNING.search(file.read(_MOST_JUNK))
    return found.start() if found else 0


def looks_like_audio(head: bytes) -> bool:
    """Return whether a file that begins with these bytes means to be audio."""
    if head[:4] in _CONTAINERS:
        return any(kind.startswith(head[8:12]) for kind in _CONTAINERS[head[:4]])
    return head.startswith(_MAGICS) or _looks_like_mpeg(head)


def _looks_like_mpeg(head: bytes) -> bool:
    """Return whether an MPEG frame begins here: eleven bits set, then a layer and a bit rate that exist."""
    sync, version_and_layer, rates = (*head, 0, 0, 0)[:3]
    return sync == _ONES and version_and_layer >= _SYNC and bool(version_and_layer & _LAYER) and rates < _BAD_RATE
