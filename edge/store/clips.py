"""Recorded sound of events, one FLAC file each."""

from __future__ import annotations

import io
import logging
import os
import re
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from edge.store.faults import ROOM, DiskRefusal, spare_bytes, translate_errors
from edge.store.history import EARLIEST_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

log = logging.getLogger("tocsin.store")

_EVENT_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_PART = ".part"


class Clips:
    """A folder of clips, named by the ids of their events."""

    def __init__(self, folder: Path, *, max_mb: int, min_free_mb: int) -> None:
        """Take the folder, which need not exist, and its limits.

        Clips leave `min_free_mb` of the disk to the history.
        """
        self._folder, self._max_bytes, self._min_free_mb = folder, max_mb << 20, min_free_mb

    def open(self) -> None:
        """Create the folder, and remove incomplete files of a killed process; raises `StorageError`."""
        with translate_errors(self._folder, "used"):
            self._folder.mkdir(mode=0o700, exist_ok=True)  # speech near a microphone is private
            for part in self._folder.glob(f"*{_PART}"):
                part.unlink(missing_ok=True)

    def save(self, event_id: str, samples: NDArray[np.float32], rate_hz: int) -> str:
        """Write mono samples, shape (samples,) within ±1, and return the file's name.

        The file appears complete or not at all.
        """
        sound = io.BytesIO()
        soundfile.write(sound, np.clip(samples, -1.0, 1.0), rate_hz, format="FLAC", subtype="PCM_16")
        path = self._folder / f"{event_id}.flac"
        if spare_bytes(self._folder, self._min_free_mb) < sound.getbuffer().nbytes:
            msg = "the sound is not saved: the disk is almost full (storage.min_free_mb)"
            raise DiskRefusal(msg, where=path, remedy=ROOM)
        part = path.with_name(path.name + _PART)
        with translate_errors(path, "written"):
            try:
                self._folder.mkdir(mode=0o700, exist_ok=True)  # a user may have removed it to make room
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
        """Return the clip of an event, if it exists."""
        path = self._folder / f"{event_id}.flac"
        return path if _EVENT_ID.fullmatch(event_id) and path.is_file() else None

    def remove(self, event_ids: Iterable[str]) -> None:
        """Remove the clips of events, if there are any; a failure is logged."""
        with translate_errors(self._folder, "cleaned"):
            for event_id in event_ids:
                if path := self.find(event_id):
                    _unlink(path)

    def list_expired(self, oldest_s: float) -> list[str]:
        """Return the events whose clips were written before `oldest_s`, in Unix seconds.

        A clip with a time before 2024 is left out: the clock was wrong when it was written.
        """
        return [
            path.stem
            for written_s, _, path in self._list()
            if EARLIEST_MS / 1000.0 <= written_s < oldest_s and path.suffix == ".flac"
        ]

    def prune(self, order: Callable[[list[str]], Mapping[str, int]]) -> None:
        """Remove the oldest clips until the rest fits the limits.

        `order` returns the sequences of events; a clip without an event counts as older than the others. A file that
        cannot be removed is logged and skipped.
        """
        with translate_errors(self._folder, "cleaned"):
            known = self._list()
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

    def _list(self) -> list[tuple[float, int, Path]]:
        with translate_errors(self._folder, "cleaned"), os.scandir(self._folder) as entries:
            return [(entry.stat().st_mtime, entry.stat().st_size, self._folder / entry.name) for entry in entries]


def _unlink(path: Path) -> bool:
    """Remove one file and return whether it is gone; a failure is logged."""
    try:
        path.unlink()
    except FileNotFoundError:
        return True
    except OSError as exc:
        log.warning("%s cannot be removed: %s", path, exc.strerror)
        return False
    return True
