"""One batch over all streams: take what is ready, never wait for more."""

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
    """Score windows of many streams together; yield each with its owner and row, shape (labels,), in order.

    At most `max_batch` windows go into one inference; `observe` is told the size of each, and its seconds. Where that
    fails nothing of its batch was yielded, and no stretch heard on: what was not yielded may be scored again.
    """
    for start in range(0, len(ready), max_batch):
        part = ready[start : start + max_batch]
        begin = time.perf_counter()
        rows = classifier.score([window for _, window in part])
        if observe is not None:
            observe(len(part), time.perf_counter() - begin)
        for (owner, window), row in zip(part, rows, strict=True):
            yield owner, window, row
