"""Reading a small text file that a user names: whatever stands there instead, it is one line, and nothing hangs."""

from __future__ import annotations

import contextlib
import os
import select
from typing import TYPE_CHECKING

from edge.errors import ConfigError, from_os_error

if TYPE_CHECKING:
    from pathlib import Path

_WAIT_S = 5.0  # for a pipe to say something
_CHUNK = 1 << 16


def is_there(path: Path) -> bool:
    """Return whether there is something at `path`, be it nothing that can be read."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def read_text(path: Path, *, max_bytes: int, key: str = "") -> str:
    """Return the text of a file, or what a pipe says until it ends; `key` begins the message about what is wrong.

    Raises `ConfigError`, and `Forbidden` for a file that may not be read.
    """
    try:
        return _bytes(path, max_bytes).decode("utf-8-sig")  # also as Notepad writes it
    except UnicodeDecodeError as exc:
        msg = "the file is not UTF-8 text"
        raise ConfigError(msg, where=f"{key}{path}") from exc
    except OSError as exc:
        raise from_os_error(exc, f"{key}{path}", kind=ConfigError, missing=ConfigError) from exc


def _bytes(path: Path, max_bytes: int) -> bytes:
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # not to wait for a pipe's other end
    try:
        poll = select.poll()
        poll.register(file, select.POLLIN)
        parts: list[bytes] = []
        size = 0
        while True:
            if not poll.poll(_WAIT_S * 1000.0):
                msg = f"it sent nothing within {_WAIT_S:g} s"
                raise TimeoutError(msg)
            with contextlib.suppress(BlockingIOError):
                part = os.read(file, _CHUNK)
                if not part:
                    return b"".join(parts)
                parts.append(part)
                size += len(part)
            if size > max_bytes:
                msg = f"it has more than {max_bytes >> 10} KiB"
                raise OSError(msg)
    finally:
        os.close(file)
