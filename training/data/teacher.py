"""A teacher's class probabilities for the clips of a manifest."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor


@dataclasses.dataclass(frozen=True, slots=True)
class Teacher:
    """Probabilities on windows of 2 s, one a second, of every clip."""

    scores: Tensor
    """Shape (windows of all clips, labels), uint8; probability = value / 255."""
    offsets: Tensor
    """Clip i owns the rows ``offsets[i]:offsets[i + 1]``."""

    def at(self, clips: Tensor, centre_s: Tensor) -> Tensor:
        """Return the probabilities, shape (batch, labels), of the windows nearest to `centre_s` in the clips."""
        first, last = self.offsets[clips], self.offsets[clips + 1] - 1
        rows = (first + (centre_s - 1.0).round().long()).clamp(min=first, max=last)
        return self.scores[rows].float() / 255.0

    def highest(self, clip: int) -> Tensor:
        """Return the highest probability of each label over a clip, shape (labels,)."""
        return self.scores[self.offsets[clip] : self.offsets[clip + 1]].amax(dim=0).float() / 255.0


def read_teacher(path: Path, labels: Sequence[str], n_clips: int) -> Teacher:
    """Read an `.npz` of `scores`, `offsets` and `labels`.

    Raises `ValueError` when it is about other labels or another number of clips.
    """
    with np.load(path) as archive:
        names, offsets, scores = [str(name) for name in archive["labels"]], archive["offsets"], archive["scores"]
    if missing := sorted(set(labels) - set(names)):
        msg = f"{path}: the teacher does not know {', '.join(missing)}"
        raise ValueError(msg)
    if len(offsets) != n_clips + 1:
        msg = f"{path}: the teacher heard {len(offsets) - 1} clips, the manifest has {n_clips}"
        raise ValueError(msg)
    columns = [names.index(label) for label in labels]
    return Teacher(torch.from_numpy(scores[:, columns]), torch.from_numpy(offsets.astype(np.int64)))
