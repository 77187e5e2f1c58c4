"""Deadline for all parts of a service that stops."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("tocsin.service")

_THREADS_S = 1.5  # for signalled threads, and the processes that they kill, to end


class Deadline:
    """A time after which the stop no longer waits for any part."""

    def __init__(self, timeout_s: float) -> None:
        """Start now."""
        self._end_s = time.monotonic() + timeout_s

    def left_s(self, at_most_s: float = float("inf")) -> float:
        """Return the remaining seconds, at most `at_most_s`."""
        return min(at_most_s, max(0.0, self._end_s - time.monotonic()))

    def stop_in_parallel(self, parts: dict[str, Callable[[], object]], at_most_s: float) -> None:
        """Stop parts in parallel, and log those that do not end in time."""
        phase = Deadline(self.left_s(at_most_s))
        threads = [
            threading.Thread(target=_stop, args=(name, stop), name=f"stop-{name}", daemon=True)
            for name, stop in parts.items()
        ]
        for thread in threads:
            thread.start()
        for thread, name in zip(threads, parts, strict=True):
            thread.join(phase.left_s())
            if thread.is_alive():
                log.warning("the service stops without waiting for its %s any longer", name)


def _stop(name: str, stop: Callable[[], object]) -> None:
    try:
        stop()
    except Exception:
        log.exception("%s could not be stopped", name)


def end_process(code: int, before: set[threading.Thread]) -> int:
    """Wait for the threads started since `before`; return the exit code, or exit.

    It exits if a thread does not end: the interpreter would wait for it without limit, and native code that runs while
    the interpreter ends may crash it. All data is stored by then.
    """
    deadline = Deadline(_THREADS_S)
    started = [thread for thread in threading.enumerate() if thread not in before]
    for thread in started:
        thread.join(deadline.left_s())
    if left := [thread.name for thread in started if thread.is_alive()]:
        log.warning("ended without waiting for %s", ", ".join(left))
        logging.shutdown()
        sys.stdout.flush()
        os._exit(code)
    return code
