"""Interface to systemd: notification, watchdog and clock synchronisation.

It does nothing where systemd is not the service manager.
"""

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
    """Send a state such as ``READY=1`` to the service manager (sd_notify(3)).

    Returns whether there is one.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]  # the abstract namespace
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto(state.encode(), address)
        return True
    return False


def read_watchdog_interval_s() -> float | None:
    """Return the watchdog's interval in seconds, or None without a watchdog."""
    try:
        interval_us = int(os.environ["WATCHDOG_USEC"])
        ours = int(os.environ.get("WATCHDOG_PID", os.getpid())) == os.getpid()
    except (KeyError, ValueError):
        return None
    return interval_us / 1e6 if ours and interval_us > 0 else None


def is_clock_synced() -> bool:
    """Return whether the clock is synchronised (adjtimex(2)), or timesyncd has set it once."""
    record = ctypes.create_string_buffer(512)  # all zeros: it reads only; the struct has some 200 bytes
    state = int(_load_libc().adjtimex(record))
    # A sandbox may forbid the call; then only the file of timesyncd is left.
    return state != _TIME_ERROR if state >= 0 else _SYNCED.exists()


@functools.lru_cache(maxsize=1)
def _load_libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)
