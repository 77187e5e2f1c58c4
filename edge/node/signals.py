"""Signals that tell a service what to do, so that none of them is lost."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

_WANTED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Signals:
    """Collects SIGTERM, SIGINT and SIGHUP while it is entered; only the main thread may.

    The interpreter writes the number of a signal into a pipe in the moment it arrives, whatever thread the kernel gave
    it to. A wait for the pipe then ends in any case; a wait for a queue, a lock or an event only ends when the signal
    happens to interrupt it, and one that arrives just before the wait begins would be noticed after it.
    """

    def __enter__(self) -> Self:
        self._arrived, self._pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._previous_pipe = signal.set_wakeup_fd(self._pipe, warn_on_full_buffer=False)
        self._previous = {number: signal.signal(number, _do_nothing) for number in _WANTED}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._previous_pipe)
        os.close(self._arrived)
        os.close(self._pipe)

    def wake(self) -> None:
        """End the wait that is going on, or else the next one; any thread may."""
        with contextlib.suppress(BlockingIOError):  # it is full of what ends the wait as well
            os.write(self._pipe, b"\0")

    def wait(self, timeout_s: float | None) -> int | None:
        """Return the next signal; None at a `wake`, or when nothing comes within `timeout_s`, which may be endless."""
        poll = select.poll()
        poll.register(self._arrived, select.POLLIN)
        poll.poll(None if timeout_s is None else timeout_s * 1000.0)
        try:
            number = os.read(self._arrived, 1)[0]
        except BlockingIOError:
            return None
        return number if number in _WANTED else None


def _do_nothing(_number: int, _frame: object) -> None:
    """Let the pipe tell."""
