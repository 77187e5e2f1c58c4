"""Waiting for bytes on a descriptor."""

from __future__ import annotations

import select

WAIT_S = 0.25
"""How long a source waits for sound before it lets its runner look whether it is still wanted."""


def readable(descriptor: int, timeout_s: float = WAIT_S) -> bool:
    """Return whether a read would not wait, after at most `timeout_s`; the other side's end counts.

    By poll, for select fails beyond 1024 open files, which a node with many clients may have.
    """
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(timeout_s * 1000))
