"""Receipt of the signals of a service, without losing any."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Signals:
    """Context manager that collects SIGTERM, SIGINT and SIGHUP, for the main thread only.

    The interpreter writes the number of a signal into a pipe when the signal arrives, in any thread. A wait for the
    pipe then always ends. A wait for a queue, a lock or an event only ends if the signal interrupts it, and a signal
    just before the wait would be noticed after it.
    """

    def __enter__(self) -> Self:
        self._arrived, self._pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._previous_pipe = signal.set_wakeup_fd(self._pipe, warn_on_full_buffer=False)
        self._previous = {number: signal.signal(number, _do_nothing) for number in _HANDLED}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._previous_pipe)
        os.close(self._arrived)
        os.close(self._pipe)

    def wake(self) -> None:
        """End the current or next wait, from any thread."""
        with contextlib.suppress(BlockingIOError):  # a full pipe also ends the wait
            os.write(self._pipe, b"\0")

    def wait(self, timeout_s: float | None) -> int | None:
        """Return the next signal, or None at a `wake` or after `timeout_s` (None for ever)."""
        poll = select.poll()
        poll.register(self._arrived, select.POLLIN)
        poll.poll(None if timeout_s is None else timeout_s * 1000.0)
        try:
            number = os.read(self._arrived, 1)[0]
        except BlockingIOError:
            return None
        return number if number in _HANDLED else None


def _do_nothing(_number: int, _frame: object) -> None:
    """Ignore the signal, whose number is in the pipe."""
