"""Recordings of any rate, length and number of channels, cut into parts."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from edge.audio.decode.recording import open_recording
from edge.errors import DataError, StorageError, TocsinError, reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

RATE_HZ = 16_000
PART_S = 10
_SHORTEST_REST_S = 1
"""A rest shorter than this stays with the part before it."""
_SHORTEST_S = 0.05
_SILENCE = 0.5 / 32768
"""Peak below which 16-bit samples are zero."""


class UnusableError(DataError):
    """A recording cannot be used; the message has the reason, without its name."""


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """A part of a recording: mono samples at `RATE_HZ`, shape (n,)."""

    number: int
    """Its number in the recording, from 0."""
    samples: NDArray[np.float32]


def hash_file(path: Path) -> str:
    """Return a digest of a file's bytes; raise `UnusableError` if it is unreadable."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError as exc:
        raise UnusableError(reason_of(exc).lower()) from exc
    return digest.hexdigest()


def read_rate(path: Path) -> int:
    """Return a recording's own sampling rate in Hz.

    Raises `UnusableError` for a file that is not audio.
    """
    with _convert_errors(), open_recording(path) as clip:
        return clip.rate_hz


def read_parts(path: Path) -> Iterator[Part]:
    """Yield a recording in parts of 10 s.

    The last part has 1 to 11 s; a shorter recording is one part. Silent parts are left out. Raises `UnusableError`,
    perhaps after some parts, for a recording that is empty, silent, or broken.
    """
    length, audible = 0, False
    for number, samples in enumerate(_regroup(_read_blocks(path))):
        length += len(samples)
        if np.abs(samples).max(initial=0.0) >= _SILENCE:
            audible = True
            yield Part(number, samples)
    if length < _SHORTEST_S * RATE_HZ:
        raise UnusableError("it is shorter than 50 ms" if length else "it is empty")
    if not audible:
        msg = "it is silent"
        raise UnusableError(msg)


def _read_blocks(path: Path) -> Iterator[NDArray[np.float32]]:
    """Yield a recording as mono blocks at `RATE_HZ`, decoded as a device does.

    The whole recording is never in memory.
    """
    with _convert_errors(), open_recording(path) as clip:
        yield from clip.blocks(RATE_HZ, PART_S)


@contextlib.contextmanager
def _convert_errors() -> Iterator[None]:
    try:
        yield
    except TocsinError as exc:
        raise UnusableError(exc.what, remedy=exc.remedy) from exc


def _regroup(blocks: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    part, held = PART_S * RATE_HZ, np.zeros(0, np.float32)
    for block in blocks:
        held = np.concatenate((held, block))
        while len(held) >= part + _SHORTEST_REST_S * RATE_HZ:
            yield held[:part]
            held = held[part:]
    yield held


def write_part(path: Path, samples: NDArray[np.float32]) -> None:
    """Write samples as FLAC of 16 bits; raise `StorageError` if that fails.

    A device samples 16 bits too; FLAC halves the size.
    """
    try:
        soundfile.write(path, samples, RATE_HZ, format="FLAC", subtype="PCM_16")
    except soundfile.SoundFileError as exc:
        msg = f"the file cannot be written: {exc}"
        raise StorageError(msg, where=path) from exc
