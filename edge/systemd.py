"""systemd's side of a service: notification, watchdog, and whether the clock is right. Does nothing elsewhere."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import socket
from pathlib import Path

_SYNCED = Path("/run/systemd/timesync/synchronized")
_TIME_ERROR = 5


def notify(state: str) -> bool:
    """Send a state such as ``READY=1`` to the service manager (sd_notify(3)); return whether there is one."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]  # the abstract namespace
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto(state.encode(), address)
        return True
    return False


def watchdog_interval_s() -> float | None:
    """Return the seconds within which the manager wants a sign of life; None when it does not."""
    try:
        interval_us = int(os.environ["WATCHDOG_USEC"])
        ours = int(os.environ.get("WATCHDOG_PID", os.getpid())) == os.getpid()
    except (KeyError, ValueError):
        return None
    return interval_us / 1e6 if ours and interval_us > 0 else None


def clock_synced() -> bool:
    """Return whether some NTP client keeps the clock right (adjtimex(2)), or timesyncd has set it once."""
    record = ctypes.create_string_buffer(512)  # all zeros: only a question; the struct has some 200 bytes
    state = int(_libc().adjtimex(record))
    # A sandbox may forbid the question; then only timesyncd's word is left.
    return state != _TIME_ERROR if state >= 0 else _SYNCED.exists()


@functools.lru_cache(maxsize=1)
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)
