"""Batches of windows over all streams, without waiting for more windows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from edge.inference.classifier import Classifier
    from edge.types import MelWindow

Owner = TypeVar("Owner")


def score_batches(
    ready: Sequence[tuple[Owner, MelWindow]],
    classifier: Classifier,
    max_batch: int,
    observe: Callable[[int, float], None] | None = None,
) -> Iterator[tuple[Owner, MelWindow, NDArray[np.float32]]]:
    """Score windows of many streams in batches; yield each with its scores.

    Yields owner, window and row, shape (labels,), in order. One inference takes at most `max_batch` windows; `observe`
    gets the size and the duration in seconds of each. If an inference fails, nothing of its batch was yielded and no
    state has changed: windows that were not yielded may be scored again.
    """
    for start in range(0, len(ready), max_batch):
        part = ready[start : start + max_batch]
        begin = time.perf_counter()
        rows = classifier.score([window for _, window in part])
        if observe is not None:
            observe(len(part), time.perf_counter() - begin)
        for (owner, window), row in zip(part, rows, strict=True):
            yield owner, window, row
