"""Waiting for data on a descriptor."""

from __future__ import annotations

import select

WAIT_S = 0.25
"""Seconds that a source waits for sound before its runner checks whether to stop."""


def wait_readable(descriptor: int, timeout_s: float = WAIT_S) -> bool:
    """Wait at most `timeout_s` for data or the end; return whether it came.

    It uses poll, because select fails beyond 1024 open files, which a node with many clients may have.
    """
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(timeout_s * 1000))
