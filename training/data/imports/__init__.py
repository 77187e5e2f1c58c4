"""Import of public corpora and own recordings into one manifest, a module per layout."""

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
    """A layout of recordings and labels on disk."""

    corpus: str
    """Name of the corpus; empty for the name of the imported folder."""
    what: str
    """The layout in a few words."""
    read: Callable[[Path], list[Recording]]
    """Lists the recordings; raises `DataError` for another layout, `InputMissing` when it does not exist."""


LAYOUTS = {
    "urbansound8k": Layout("UrbanSound8K", "audio/foldN and metadata/UrbanSound8K.csv", urbansound8k.list_recordings),
    "esc50": Layout("ESC-50", "audio and meta/esc50.csv", esc50.list_recordings),
    "esc10": Layout("ESC-10", "the ten classes of ESC-50 that make ESC-10", esc50.list_esc10_recordings),
    "fsd50k": Layout("FSD50K", "FSD50K.dev_audio, FSD50K.eval_audio and FSD50K.ground_truth", fsd50k.list_recordings),
    "folder": Layout("", "a folder a label", folder.list_recordings),
}
"""The layouts that `python -m training import` reads."""
