"""One deadline for all that has to end when a service stops."""

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

_THREADS_S = 1.5  # for threads to end that were told to, with what they kill meanwhile


class Deadline:
    """A moment by which every part has ended, or is left behind."""

    def __init__(self, timeout_s: float) -> None:
        """Begin to count."""
        self._end_s = time.monotonic() + timeout_s

    def left_s(self, at_most_s: float = float("inf")) -> float:
        """Return the seconds until then, and no more than `at_most_s`."""
        return min(at_most_s, max(0.0, self._end_s - time.monotonic()))

    def stop_together(self, parts: dict[str, Callable[[], object]], at_most_s: float) -> None:
        """Stop parts beside each other, so that one that hangs takes nobody's time; say which did not end."""
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
    """Return the exit code once every thread begun since `before` has ended, or end the process with it at once.

    The interpreter waits for threads without limit, and what goes on in native code while it ends may crash it. All
    that matters is kept by then.
    """
    deadline = Deadline(_THREADS_S)
    begun = [thread for thread in threading.enumerate() if thread not in before]
    for thread in begun:
        thread.join(deadline.left_s())
    if left := [thread.name for thread in begun if thread.is_alive()]:
        log.warning("ended without waiting for %s", ", ".join(left))
        logging.shutdown()
        sys.stdout.flush()
        os._exit(code)
    return code
