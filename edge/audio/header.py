"""The first bytes of a recording: whether it means to be audio, and is as long as it says."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

_STREAMED = 0x7FFF_0000  # a length near 2**31 or above means "not known yet": the file was written into a pipe
_MAX_CHUNKS = 64
_CHUNK_HEAD = struct.Struct("<4sI")
_ONES, _SYNC, _LAYER, _BAD_RATE = 0xFF, 0xE0, 0x06, 0xF0
_CONTAINERS = {b"RIFF": (b"WAVE",), b"RIFX": (b"WAVE",), b"RF64": (b"WAVE",), b"FORM": (b"AIFF", b"AIFC")}
_MAGICS = (b"fLaC", b"OggS", b".snd", b"caff", b"riff", b"ID3")


def looks_like_audio(head: bytes) -> bool:
    """Return whether a file that begins with these bytes means to be audio."""
    if head[:4] in _CONTAINERS:
        return any(kind.startswith(head[8:12]) for kind in _CONTAINERS[head[:4]])
    return head.startswith(_MAGICS) or _looks_like_mpeg(head)


def _looks_like_mpeg(head: bytes) -> bool:
    """Return whether an MPEG frame begins here: eleven bits set, then a layer and a bit rate that exist."""
    sync, version_and_layer, rates = (*head, 0, 0, 0)[:3]
    return sync == _ONES and version_and_layer >= _SYNC and bool(version_and_layer & _LAYER) and rates < _BAD_RATE


def wav_held_fraction(file: BinaryIO) -> float:
    """Return how much of the samples that a WAV's header promises are there; 1 for any other file.

    libsndfile shortens such a file without a word, so the header is read here. Leaves `file` at its start.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(12)
    position, held = 12, 1.0
    for _ in range(_MAX_CHUNKS if head[:4] == b"RIFF" and head[8:] == b"WAVE" else 0):
        file.seek(position)
        chunk = file.read(_CHUNK_HEAD.size)
        if len(chunk) < _CHUNK_HEAD.size:
            break
        name, length = _CHUNK_HEAD.unpack(chunk)
        position += _CHUNK_HEAD.size
        if name == b"data":
            held = min(1.0, (size - position) / length) if 0 < length < _STREAMED else 1.0
            break
        position += length + length % 2
    file.seek(0)
    return held
