"""Uploads are worked one after the other by a thread of low priority, so that live audio always goes first."""

from __future__ import annotations

import math
import os
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from edge.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NICENESS = 10
_FIRST_GUESS_S = 0.5
_SMOOTHING = 0.2

T = TypeVar("T")


class UploadsFull(Busy):
    """As many uploads are waiting as may; `headers` say when to come again."""

    def __init__(self, waiting: int, wait_s: float) -> None:
        super().__init__(f"{waiting} uploads are waiting already", remedy="try again in a moment")
        self.headers = {"Retry-After": str(max(1, math.ceil(wait_s)))}


class UploadWorker:
    """A bounded line of jobs before one thread."""

    def __init__(self, limit: int) -> None:
        """Let at most `limit` uploads be received, wait or be worked on at a time."""
        self._limit = limit
        self._taken = 0
        self._lock = threading.Lock()
        self._mean_s = _FIRST_GUESS_S
        self._executor = ThreadPoolExecutor(1, "tocsin-classify", initializer=_step_back)

    @property
    def taken(self) -> int:
        """Uploads being received, waiting and being worked on."""
        return self._taken

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place in the line, from before the upload is received; raises UploadsFull when there is none."""
        with self._lock:
            if self._taken >= self._limit:
                raise UploadsFull(self._taken, self._taken * self._mean_s)
            self._taken += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken -= 1

    def submit(self, job: Callable[[], T]) -> Future[T]:
        """Work `job` in its turn. Cancelling the future takes it out of the line unless it has begun."""
        return self._executor.submit(self._timed, job)

    def close(self) -> None:
        """Drop what waits; what is being worked on ends by itself."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _timed(self, job: Callable[[], T]) -> T:
        began = time.monotonic()
        try:
            return job()
        finally:
            self._mean_s += _SMOOTHING * (time.monotonic() - began - self._mean_s)


def _step_back() -> None:
    thread = threading.get_native_id()
    os.setpriority(os.PRIO_PROCESS, thread, max(_NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))
