"""Label matrix of clips."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from training.data.manifest import Clip


def build_label_matrix(clips: Sequence[Clip], labels: Sequence[str]) -> NDArray[np.bool_]:
    """Return whether each label holds in each clip, shape (clips, labels).

    `labels` must contain all labels of the clips.
    """
    holds = np.zeros((len(clips), len(labels)), np.bool_)
    column = {label: index for index, label in enumerate(labels)}
    for row, clip in enumerate(clips):
        holds[row, [column[label] for label in clip.labels]] = True
    return holds
