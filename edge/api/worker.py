"""Queue of uploads for one thread of low priority, so that live audio goes first."""

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
    """The refusal of an upload by a full queue; `headers` give the waiting time."""

    def __init__(self, waiting: int, wait_s: float) -> None:
        super().__init__(f"{waiting} uploads are waiting already", remedy="try again in a moment")
        self.headers = {"Retry-After": str(max(1, math.ceil(wait_s)))}


class UploadWorker:
    """A bounded queue of jobs for one thread."""

    def __init__(self, limit: int) -> None:
        """Allow `limit` uploads in reception, waiting or in work."""
        self._limit = limit
        self._taken = 0
        self._lock = threading.Lock()
        self._mean_s = _FIRST_GUESS_S
        self._executor = ThreadPoolExecutor(1, "tocsin-classify", initializer=_lower_priority)

    @property
    def taken(self) -> int:
        """Number of uploads in reception, waiting and in work."""
        return self._taken

    @contextmanager
    def reserve_place(self) -> Iterator[None]:
        """Reserve a place in the queue before the upload is received; raises UploadsFull."""
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
        """Add `job` to the queue; to cancel the future removes it before its start."""
        return self._executor.submit(self._timed, job)

    def close(self) -> None:
        """Discard the waiting jobs; a running one ends by itself."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _timed(self, job: Callable[[], T]) -> T:
        began = time.monotonic()
        try:
            return job()
        finally:
            self._mean_s += _SMOOTHING * (time.monotonic() - began - self._mean_s)


def _lower_priority() -> None:
    thread = threading.get_native_id()
    os.setpriority(os.PRIO_PROCESS, thread, max(_NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))
