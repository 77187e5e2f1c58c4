"""The interface of classifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from edge.types import MelWindow


class Classifier(Protocol):
    """An object that turns log-mel windows into probabilities."""

    def score(self, windows: Sequence[MelWindow]) -> NDArray[np.float32]:
        """Return calibrated probabilities, shape (n, labels), of n windows.

        Each window of a stretch of sound must be scored once and in order, as a streaming network has a state.
        """
