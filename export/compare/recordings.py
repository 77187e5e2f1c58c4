"""The recordings that a checkpoint was made from, to set the scales of 8-bit networks by and to count on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.errors import UsageError
from export.compare.labelled import LabelledSet, thinned
from export.graph.int8 import calibration_feeds, quantized
from training.data.features import open_features
from training.data.manifest import read_manifest
from training.data.material import recordings_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from export.compare.source import Source
    from training.checkpoint import Checkpoint

_CALIBRATION_CLIPS = 8
"""Clips of each label that set the scales of an 8-bit network."""


def parts_of(data: Path | None, cache: Path, checkpoint: Checkpoint) -> dict[str, LabelledSet]:
    """Return the checkpoint's own division of the recordings in `data`; raise `UsageError` where that is None."""
    if data is None:
        msg = "recordings are missing"
        raise UsageError(msg, remedy="give the folder with manifest.csv by --data or TOCSIN_DATA")
    have = recordings_of(data, cache, checkpoint)
    return {name: LabelledSet(tuple(clips), have.store, have.labels) for name, clips in have.parts.items()}


def labelled_of(source: Source, data: Path | None, cache: Path) -> LabelledSet | None:
    """Return the checkpoint's test part; for a bundle alone all recordings, None without recordings."""
    if data is None:
        return None
    if source.checkpoint is not None:
        return parts_of(data, cache, source.checkpoint)["test"]
    clips = read_manifest(data)
    store = open_features(data, clips, cache, source.params)
    return LabelledSet(tuple(clip for clip in clips if clip.label), store, source.labels)


def calibration_of(source: Source, training: LabelledSet) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Yield what a network is fed to set its scales by: a few training clips of each label."""
    clips = thinned(training.clips, _CALIBRATION_CLIPS)
    return calibration_feeds(source.network, map(training.store.of, clips), source.params)


def quantize_for_tensorrt(source: Source, data: Path | None, cache: Path) -> bytes:
    """Return a checkpoint's 8-bit network as TensorRT reads it, with scales from training clips."""
    training = parts_of(data, cache, source.required_checkpoint())["train"]
    return quantized(source.network, calibration_of(source, training), for_tensorrt=True)
