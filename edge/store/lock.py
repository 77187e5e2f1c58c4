"""Lock of the folder: one service each."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from edge.errors import StorageError
from edge.store.faults import DiskRefusal, translate_os_error

if TYPE_CHECKING:
    from pathlib import Path


class FolderLock:
    """A lock on a folder, which the system releases at the end of the process."""

    def __init__(self, folder: Path) -> None:
        """Take the lock; raises `StorageError`, or `DiskRefusal` if the failure may be temporary.

        Another process may have the lock, or the folder cannot be used.
        """
        path = folder / "tocsin.lock"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as exc:
            refusal = translate_os_error(exc, folder, "used")
            if isinstance(refusal, DiskRefusal):
                raise refusal from exc
            msg = f"the folder cannot be used: {exc.strerror}"
            raise StorageError(msg, where=folder, remedy="set storage.path to a folder that can be written") from exc
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            holder = os.pread(self._file, 20, 0).decode("ascii", "replace").strip()
            os.close(self._file)
            msg = f"another tocsin (process {holder}) uses the folder"
            raise StorageError(msg, where=folder, remedy="stop it, or set storage.path") from exc
        # The number only informs: a full disk has no room for it, and the lock holds without it.
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, b"%d\n" % os.getpid(), 0)

    def release(self) -> None:
        """Release the lock."""
        os.close(self._file)
