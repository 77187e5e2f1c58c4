"""The golden recording of a bundle: a waveform with the exporter's features and logits."""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import numpy as np

from edge.inference.zips import open_zip

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MAX_VALUES = 4 << 20
"""Maximum number of values in an array: four minutes of sound."""
_ARRAYS = ("waveform", "mel", "logits")
_LARGEST = 1e6  # beyond it, squares and sums leave the range of single precision
_MAX_ENTRIES = 16


@dataclass(frozen=True)
class Golden:
    """A recording with the exporter's features and logits."""

    waveform: NDArray[np.float32]
    """Samples at the front end's rate, shape (n,)."""
    mel: NDArray[np.float32]
    """Shape (frames, n_mels)."""
    logits: NDArray[np.float32]
    """Shape (decisions, labels).

    A decision of a window network begins every `decision_frames` frames. A streaming network decides after every
    `decision_frames` frames, from a zero state.
    """


def read_golden(path: Path) -> Golden:
    """Read a ``golden.npz`` with bounded memory; raises `ValueError`.

    NumPy's own reader would allocate any array that the file asks for.
    """
    try:
        with path.open("rb") as file, open_zip(file, _MAX_ENTRIES) as archive:
            return Golden(*(_read_array(archive, name) for name in _ARRAYS))
    except zipfile.BadZipFile as exc:
        raise ValueError(str(exc)) from exc


def _read_array(archive: zipfile.ZipFile, name: str) -> NDArray[np.float32]:
    try:
        member = archive.open(f"{name}.npy")
    except KeyError:
        msg = f"there is no {name}"
        raise ValueError(msg) from None
    with member:
        shape, by_columns, kind = _read_header(member)
        count = math.prod(shape)
        if kind.kind != "f" or min(shape, default=0) < 0 or count > MAX_VALUES:
            msg = f"{name} must be at most {MAX_VALUES} floating-point numbers"
            raise ValueError(msg)
        data = member.read(count * kind.itemsize)
    if len(data) != count * kind.itemsize:
        msg = f"{name} is cut off"
        raise ValueError(msg)
    values = np.frombuffer(data, kind).reshape(shape, order="F" if by_columns else "C")
    if not (np.abs(values) <= _LARGEST).all():  # also true for NaN
        msg = f"{name} has numbers beyond {_LARGEST:g}"
        raise ValueError(msg)
    return np.ascontiguousarray(values, np.float32)


def _read_header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    if np.lib.format.read_magic(member) == (1, 0):
        return np.lib.format.read_array_header_1_0(member)
    return np.lib.format.read_array_header_2_0(member)
