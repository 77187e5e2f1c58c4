"""Import of public corpora, and of a user's own recordings, into one manifest: a module a layout."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from training.data.imports import esc50, folder, fsd50k, urbansound8k

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from training.data.imports.recording import Recording


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """A way in which recordings and their labels lie on disk."""

    corpus: str
    """Name of the corpus; empty for the name of the folder that is imported."""
    what: str
    """The layout in a few words."""
    read: Callable[[Path], list[Recording]]
    """Lists what there is; raises `DataError` for another layout, `InputMissing` when it is not there."""


LAYOUTS = {
    "urbansound8k": Layout("UrbanSound8K", "audio/foldN and metadata/UrbanSound8K.csv", urbansound8k.list_recordings),
    "esc50": Layout("ESC-50", "audio and meta/esc50.csv", esc50.list_recordings),
    "esc10": Layout("ESC-10", "the ten classes of ESC-50 that make ESC-10", esc50.list_esc10_recordings),
    "fsd50k": Layout("FSD50K", "FSD50K.dev_audio, FSD50K.eval_audio and FSD50K.ground_truth", fsd50k.list_recordings),
    "folder": Layout("", "a folder a label", folder.list_recordings),
}
"""What `python -m training import` can read."""
