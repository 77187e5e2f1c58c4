"""The sound that is kept of events: a FLAC file each."""

from __future__ import annotations

import io
import logging
import os
import re
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from edge.store.database import translated

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

log = logging.getLogger("tocsin.store")

_EVENT_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_PART = ".part"


class Clips:
    """A folder of clips, named after their events."""

    def __init__(self, folder: Path, *, max_mb: int) -> None:
        """Create the folder; what a killed process left half-written there goes. Raises `StorageError`."""
        self._folder, self._max_bytes = folder, max_mb << 20
        with translated(folder, "used"):
            folder.mkdir(mode=0o700, exist_ok=True)  # what was said near a microphone is nobody else's business
            for part in folder.glob(f"*{_PART}"):
                part.unlink(missing_ok=True)

    def save(self, event_id: str, samples: NDArray[np.float32], rate_hz: int) -> str:
        """Write mono samples, shape (samples,) within ±1, and return the file's name; it appears whole or never."""
        sound = io.BytesIO()
        soundfile.write(sound, np.clip(samples, -1.0, 1.0), rate_hz, format="FLAC", subtype="PCM_16")
        path = self._folder / f"{event_id}.flac"
        part = path.with_name(path.name + _PART)
        with translated(path, "written"):
            try:
                with part.open("wb") as file:
                    file.write(sound.getbuffer())
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(path)
            except OSError:
                part.unlink(missing_ok=True)
                raise
        return path.name

    def find(self, event_id: str) -> Path | None:
        """Return the clip of an event, where there is one."""
        path = self._folder / f"{event_id}.flac"
        return path if _EVENT_ID.fullmatch(event_id) and path.is_file() else None

    def remove(self, event_ids: Iterable[str]) -> None:
        """Remove the clips of events, where there are any; one that stays is logged."""
        with translated(self._folder, "cleaned"):
            for event_id in event_ids:
                if path := self.find(event_id):
                    _unlink(path)

    def prune(self, older_than_s: float) -> None:
        """Remove what was written before `older_than_s`, in Unix seconds, and the oldest of what is too much.

        What cannot be removed is logged and left out.
        """
        with translated(self._folder, "cleaned"):
            with os.scandir(self._folder) as entries:
                known = sorted((entry.stat().st_mtime, entry.stat().st_size, entry.path) for entry in entries)
            excess = sum(size for _, size, _ in known) - self._max_bytes
            for written_s, size, path in known:
                if written_s >= older_than_s and excess <= 0:
                    break
                if _unlink(path):
                    excess -= size


def _unlink(path: Path | str) -> bool:
    """Remove one file, and tell whether it is gone: one that must stay may not keep the others."""
    try:
        os.unlink(path)  # noqa: PTH108 - scandir gave text
    except FileNotFoundError:
        return True
    except OSError as exc:
        log.warning("%s cannot be removed: %s", path, exc.strerror)
        return False
    return True
