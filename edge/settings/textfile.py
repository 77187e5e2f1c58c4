"""Reader of small text files that a user names.

A path may lead to anything: every error is one line, and nothing blocks for ever.
"""

from __future__ import annotations

import contextlib
import os
import select
from typing import TYPE_CHECKING

from edge.errors import ConfigError, from_os_error

if TYPE_CHECKING:
    from pathlib import Path

_WAIT_S = 5.0  # longest wait for data from a pipe
_CHUNK = 1 << 16


def path_exists(path: Path) -> bool:
    """Return whether `path` exists, readable or not."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def read_text(path: Path, *, max_bytes: int, key: str = "") -> str:
    """Return the text of a file, or of a pipe until its end.

    Error messages begin with `key`. Raises `ConfigError`, or `Forbidden` for a file that may not be read.
    """
    try:
        return _read_bytes(path, max_bytes).decode("utf-8-sig")  # with or without a byte order mark
    except UnicodeDecodeError as exc:
        msg = "the file is not UTF-8 text"
        raise ConfigError(msg, where=f"{key}{path}") from exc
    except OSError as exc:
        raise from_os_error(exc, f"{key}{path}", kind=ConfigError, missing=ConfigError) from exc


def _read_bytes(path: Path, max_bytes: int) -> bytes:
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # opens a pipe without a writer
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
