"""The sound that is kept of events: a FLAC file each."""

from __future__ import annotations

import io
import logging
import os
import re
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from edge.store.faults import ROOM, DiskRefusal, spare_bytes, translated
from edge.store.history import EARLIEST_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

log = logging.getLogger("tocsin.store")

_EVENT_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_PART = ".part"


class Clips:
    """A folder of clips, named after their events."""

    def __init__(self, folder: Path, *, max_mb: int, min_free_mb: int) -> None:
        """Take where the folder is or will be; clips leave `min_free_mb` of the disk to the history."""
        self._folder, self._max_bytes, self._min_free_mb = folder, max_mb << 20, min_free_mb

    def open(self) -> None:
        """Create the folder; what a killed process left half-written there goes. Raises `StorageError`."""
        with translated(self._folder, "used"):
            self._folder.mkdir(mode=0o700, exist_ok=True)  # what was said near a microphone is nobody else's business
            for part in self._folder.glob(f"*{_PART}"):
                part.unlink(missing_ok=True)

    def save(self, event_id: str, samples: NDArray[np.float32], rate_hz: int) -> str:
        """Write mono samples, shape (samples,) within ±1, and return the file's name; it appears whole or never."""
        sound = io.BytesIO()
        soundfile.write(sound, np.clip(samples, -1.0, 1.0), rate_hz, format="FLAC", subtype="PCM_16")
        path = self._folder / f"{event_id}.flac"
        if spare_bytes(self._folder, self._min_free_mb) < sound.getbuffer().nbytes:
            msg = "the sound is not saved: the disk is almost full (storage.min_free_mb)"
            raise DiskRefusal(msg, where=path, remedy=ROOM)
        part = path.with_name(path.name + _PART)
        with translated(path, "written"):
            try:
                self._folder.mkdir(mode=0o700, exist_ok=True)  # somebody may have removed it to make room
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

    def too_old(self, oldest_s: float) -> list[str]:
        """Return the events whose clips were written before `oldest_s`, in Unix seconds, by a clock that was right."""
        return [
            path.stem
            for written_s, _, path in self._known()
            if EARLIEST_MS / 1000.0 <= written_s < oldest_s and path.suffix == ".flac"
        ]

    def prune(self, order: Callable[[list[str]], Mapping[str, int]]) -> None:
        """Remove the oldest of what is too much, or of what takes room from the history.

        `order` tells the sequences of events; a clip of none is older than the others. What cannot be removed is logged
        and left out.
        """
        with translated(self._folder, "cleaned"):
            known = self._known()
            lacking = -spare_bytes(self._folder, self._min_free_mb, margins=2)  # with room for new clips
            excess = max(sum(size for _, size, _ in known) - self._max_bytes, lacking)
            if excess <= 0:
                return
            sequences = order([path.stem for _, _, path in known])
            for _, size, path in sorted(known, key=lambda clip: (sequences.get(clip[2].stem, 0), clip[0])):
                if excess <= 0:
                    break
                if _unlink(path):
                    excess -= size

    def _known(self) -> list[tuple[float, int, Path]]:
        with translated(self._folder, "cleaned"), os.scandir(self._folder) as entries:
            return [(entry.stat().st_mtime, entry.stat().st_size, self._folder / entry.name) for entry in entries]


def _unlink(path: Path) -> bool:
    """Remove one file, and tell whether it is gone: one that must stay may not keep the others."""
    try:
        path.unlink()
    except FileNotFoundError:
        return True
    except OSError as exc:
        log.warning("%s cannot be removed: %s", path, exc.strerror)
        return False
    return True
