"""Teachers of a manifest's clips: class probabilities, or a public network's logits."""

from __future__ import annotations

import dataclasses
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from edge.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor


@dataclasses.dataclass(frozen=True, slots=True)
class Teacher:
    """Probabilities on windows of 2 s, one per second, of every clip."""

    scores: Tensor
    """Shape (windows of all clips, labels), uint8; probability = value / 255."""
    offsets: Tensor
    """Clip i owns the rows ``offsets[i]:offsets[i + 1]``."""

    def look_up(self, clips: Tensor, centre_s: Tensor) -> Tensor:
        """Return the probabilities, (batch, labels), of the windows nearest to `centre_s`.

        `clips` holds the index of each sample's clip.
        """
        return self.scores[_find_nearest(self.offsets, clips, centre_s)].float() / 255.0

    def get_highest(self, clip: int) -> Tensor:
        """Return the highest probability of each label over a clip, shape (labels,)."""
        return self.scores[self.offsets[clip] : self.offsets[clip + 1]].amax(dim=0).float() / 255.0


def read_teacher(path: Path, labels: Sequence[str], n_clips: int) -> Teacher:
    """Read an `.npz` of `scores`, `offsets` and `labels`.

    Raises `DataError` for another file, other labels or another number of clips, `OSError` when it does not exist.
    """
    scores, offsets, known = _read_arrays(path, ("scores", "offsets", "labels"), n_clips)
    names = [str(name) for name in known]
    if missing := sorted(set(labels) - set(names)):
        msg = f"the teacher does not know {', '.join(missing)}"
        raise DataError(msg, where=path)
    columns = [names.index(label) for label in labels]
    return Teacher(torch.from_numpy(scores[:, columns]), torch.from_numpy(offsets.astype(np.int64)))


@dataclasses.dataclass(frozen=True, slots=True)
class LogitTeacher:
    """Logits of a network with many more classes, on the same windows.

    They are standardised for each of its classes, so that a rare sound counts as much as a frequent one.
    """

    logits: Tensor
    """Shape (windows of all clips, classes), 16-bit floats of mean 0 and variance 1."""
    offsets: Tensor
    """Clip i owns the rows ``offsets[i]:offsets[i + 1]``."""

    @property
    def width(self) -> int:
        """Number of the teacher's classes."""
        return self.logits.shape[1]

    def look_up(self, clips: Tensor, centre_s: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of the windows nearest to `centre_s`, and which are known.

        The logits have the shape (batch, classes). They are known for the clips of the manifest, not for synthetic
        ones.
        """
        known = clips < len(self.offsets) - 1
        rows = _find_nearest(self.offsets, clips.clamp_max(len(self.offsets) - 2), centre_s)
        return self.logits[rows].float(), known


def read_logits(path: Path, n_clips: int) -> LogitTeacher:
    """Read an `.npz` of `scores` (uint8, logit = value * 0.08 - 14) and `offsets`.

    Raises what `read_teacher` does.
    """
    levels, offsets = _read_arrays(path, ("scores", "offsets"), n_clips)
    scores = levels.astype(np.float32)
    # steps of 0.08 and the shift of -14 cancel out
    standard = (scores - scores.mean(axis=0)) / np.maximum(scores.std(axis=0), 1.0)
    return LogitTeacher(torch.from_numpy(standard.astype(np.float16)), torch.from_numpy(offsets.astype(np.int64)))


def _read_arrays(path: Path, names: Sequence[str], n_clips: int) -> list[NDArray[Any]]:
    """Read arrays of an `.npz`, including `scores` and `offsets` of `n_clips` clips."""
    try:
        with np.load(path) as archive:
            values = {name: archive[name] for name in names}
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as exc:
        msg = f"the file is not a teacher: expected an .npz of {', '.join(names)}"
        raise DataError(msg, where=path) from exc
    scores, offsets = values["scores"], values["offsets"]
    if len(offsets) != n_clips + 1:
        msg = f"the teacher has scores of {len(offsets) - 1} clips, but the manifest has {n_clips}"
        raise DataError(msg, where=path)
    if offsets[-1] != len(scores):
        msg = f"'offsets' end at {offsets[-1]}, but there are scores of {len(scores)} windows"
        raise DataError(msg, where=path)
    return [values[name] for name in names]


def _find_nearest(offsets: Tensor, clips: Tensor, centre_s: Tensor) -> Tensor:
    first, last = offsets[clips], offsets[clips + 1] - 1
    return (first + (centre_s - 1.0).round().long()).clamp(min=first, max=last)
