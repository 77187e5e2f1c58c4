"""Own recordings: a folder per label with sound files or folders of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import soundfile

from edge.errors import DataError, InputMissing
from training.data.imports.recording import Recording

if TYPE_CHECKING:
    from pathlib import Path

_READABLE = {f".{name.lower()}" for name in soundfile.available_formats()} | {".aif", ".aifc", ".oga", ".opus", ".snd"}
_OTHERS = {".3gp", ".aac", ".amr", ".m4a", ".mp4", ".webm", ".wma"}
"""Suffixes that ffmpeg reads. They are listed even without ffmpeg, so that the user gets an error for each file."""


def list_recordings(source: Path) -> list[Recording]:
    """List the sound files of `source`/label/…, of any format.

    Hidden files and folders are ignored. A group is a file name without its suffix, or the folder below the label that
    holds the file: one session should be in one such folder, so that no part of it is both trained on and measured. A
    file beside the folders has no label. Raises `DataError` when no file has one, `InputMissing` when there is no such
    folder.
    """
    if not source.is_dir():
        msg = "this is not a folder with a folder for each label"
        raise InputMissing(msg, where=source)
    inside = (path.relative_to(source) for path in sorted(source.rglob("*")) if path.is_file())
    found = [_make_recording(source, path) for path in inside if _is_sound(path)]
    if not any(recording.labels for recording in found):
        msg = f"no sound file lies in a folder of its label, as in {source.name}/door/1.wav"
        raise DataError(msg, where=source)
    return found


def _is_sound(inside: Path) -> bool:
    hidden = any(part.startswith(".") for part in inside.parts)
    return not hidden and inside.suffix.lower() in _READABLE | _OTHERS


def _make_recording(source: Path, inside: Path) -> Recording:
    folders = inside.parts[:-1]
    session = "/".join(folders if len(folders) > 1 else (*folders, inside.stem))
    return Recording(
        path=source / inside,
        name=inside.as_posix(),
        labels=folders[:1],
        group=f"{source.resolve().name}:{session}",
        origin=str(source.resolve()),
        licence="unstated",
    )
