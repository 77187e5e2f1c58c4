"""Recordings of a checkpoint, for scales of 8-bit networks and for comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.errors import UsageError
from export.compare.labelled import LabelledSet, thin_clips
from export.graph.int8 import make_feeds, quantize
from training.data.dataset import open_checkpoint_recordings
from training.data.features import open_features
from training.data.manifest import read_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from export.compare.source import Source
    from training.checkpoint import Checkpoint

_CALIBRATION_CLIPS = 8
"""Clips of each label that set the scales of an 8-bit network."""


def open_parts(data: Path | None, cache: Path, checkpoint: Checkpoint) -> dict[str, LabelledSet]:
    """Open the parts of the recordings in `data` as a checkpoint divides them.

    Raises `UsageError` for a `data` of None.
    """
    if data is None:
        msg = "recordings are missing"
        raise UsageError(msg, remedy="give the folder with manifest.csv by --data or TOCSIN_DATA")
    have = open_checkpoint_recordings(data, cache, checkpoint)
    return {name: LabelledSet(tuple(clips), have.store, have.labels) for name, clips in have.parts.items()}


def open_labelled_set(source: Source, data: Path | None, cache: Path) -> LabelledSet | None:
    """Open the checkpoint's test part, or for a bundle alone all recordings.

    The result is None without recordings.
    """
    if data is None:
        return None
    if source.checkpoint is not None:
        return open_parts(data, cache, source.checkpoint)["test"]
    clips = read_manifest(data)
    store = open_features(data, clips, cache, source.params)
    return LabelledSet(tuple(clip for clip in clips if clip.label), store, source.labels)


def feed_calibration(source: Source, training: LabelledSet) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Yield the inputs that set the scales of a network.

    They are of a few training clips of each label.
    """
    clips = thin_clips(training.clips, _CALIBRATION_CLIPS)
    return make_feeds(source.network, map(training.store.get, clips), source.params)


def quantize_for_tensorrt(source: Source, data: Path | None, cache: Path) -> bytes:
    """Return a checkpoint's 8-bit network in the form that TensorRT reads.

    Training clips set its scales.
    """
    training = open_parts(data, cache, source.require_checkpoint())["train"]
    return quantize(source.network, feed_calibration(source, training), for_tensorrt=True)
