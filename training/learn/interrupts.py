"""Signals that end a run, so that it can save its state."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edge.errors import TocsinError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(TocsinError):  # noqa: N818 - nothing went wrong
    """A run was ended by a signal; the message says how to resume it."""

    exit_code = 75


@contextmanager
def catch_signals() -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether SIGINT or SIGTERM came.

    A second signal ends the process as usual. Signals belong to the main thread: in another one nothing is changed, and
    the function returns false.
    """
    stop_asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop_asked.is_set
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def handle(_number: int, _frame: object) -> None:
        stop_asked.set()
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in _SIGNALS:
        signal.signal(number, handle)
    try:
        yield stop_asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
