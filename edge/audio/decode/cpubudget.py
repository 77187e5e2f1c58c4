"""Limit of the processor time for decoding an upload.

Without it, a crafted file with many bytes and little sound could occupy a processor for a long time.
"""

from __future__ import annotations

import contextlib
import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_INITIAL_S, _SHARE = 5.0, 0.1  # every decoder needs far less


def get_cpu_limit_s(sound_s: float) -> float:
    """Return the processor time allowed for `sound_s` seconds of sound."""
    return _INITIAL_S + _SHARE * sound_s


class CpuBudget:
    """Budget of this thread's processor time for one recording with all its parts."""

    def __init__(self, *, limited: bool) -> None:
        """Start with the time for no sound; if not `limited`, the budget is infinite."""
        self._left_s = get_cpu_limit_s(0.0) if limited else math.inf
        self._since_s: float | None = None

    @contextlib.contextmanager
    def measure(self) -> Iterator[None]:
        """Deduct the processor time of the `with` block."""
        self._since_s = time.thread_time()
        try:
            yield
        finally:
            self._left_s -= time.thread_time() - self._since_s
            self._since_s = None

    def extend(self, sound_s: float) -> None:
        """Add the time for `sound_s` seconds of decoded sound."""
        self._left_s += _SHARE * sound_s

    @property
    def exhausted(self) -> bool:
        """Whether the budget is used up; also valid inside `measure`."""
        running_s = 0.0 if self._since_s is None else time.thread_time() - self._since_s
        return running_s > self._left_s
