"""The processor time that decoding an upload may take: a file can be made that has much to read and nothing to hear."""

from __future__ import annotations

import contextlib
import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_BEGIN_S, _SHARE = 5.0, 0.1  # whatever decodes sound needs far less


def allowed_s(sound_s: float) -> float:
    """Return the seconds of processor time that so much sound may take."""
    return _BEGIN_S + _SHARE * sound_s


class Effort:
    """Counts what this thread spends on one recording, of however many parts."""

    def __init__(self, *, bounded: bool) -> None:
        """Begin; without a bound nothing is too much."""
        self._left_s = allowed_s(0.0) if bounded else math.inf
        self._since_s: float | None = None

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """Count what is done inside."""
        self._since_s = time.thread_time()
        try:
            yield
        finally:
            self._left_s -= time.thread_time() - self._since_s
            self._since_s = None

    def reward(self, sound_s: float) -> None:
        """Allow more, for so much sound that came of it."""
        self._left_s += _SHARE * sound_s

    @property
    def too_much(self) -> bool:
        """Whether more was spent than is allowed; may be asked in the middle of it."""
        running_s = 0.0 if self._since_s is None else time.thread_time() - self._since_s
        return running_s > self._left_s
