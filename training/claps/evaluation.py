"""Figures of a clap network by onset, on recordings not used for training."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from edge.claps.confirm import check_physics
from edge.claps.crop import CLAP_FRONT_END
from edge.errors import DataError
from training.claps.learn import predict
from training.data.clap_takes import CLAP, assign_folds, make_take, select_takes, select_without_claps
from training.data.features import load_audio
from training.data.manifest import read_manifest
from training.sound.clap_scenes import NEAR_SAMPLES, cut_crops
from training.sound.claps import RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from training.checkpoint import Checkpoint
    from training.data.manifest import Clip

ALL = "all"
"""The row that sums up the classes."""


@dataclasses.dataclass(frozen=True, slots=True)
class Count:
    """Counts over some recordings."""

    recordings: int = 0
    samples: int = 0
    claps: int = 0
    onsets: int = 0
    """For takes of claps, only the onsets of claps."""
    confirmed: int = 0
    """Onsets that the network took for claps."""

    def __add__(self, other: Count) -> Count:
        return Count(*(a + b for a, b in zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)))


def evaluate_claps(data: Path, checkpoint: Checkpoint) -> dict[str, Any]:
    """Measure a clap network on the recordings in `data` not used for its training.

    Returns `on`, `fold`, `claps` by person and `others` by class; the latter is empty without a fold. Raises
    `DataError` for a checkpoint of another network, and for a recording that cannot be read.
    """
    if checkpoint.params != CLAP_FRONT_END:
        msg = "the checkpoint is not a clap network"
        raise DataError(msg, remedy="measure it with 'evaluate'")
    clips = read_manifest(data)
    people: defaultdict[str, Count] = defaultdict(Count)
    classes: defaultdict[str, Count] = defaultdict(Count)
    total = Count()
    for clip in tqdm(_select_unseen(checkpoint, clips), "measure", unit="clip", disable=None):
        sound = load_audio(data / clip.file, RATE_HZ)
        if clip.label == CLAP:
            people[clip.group] += _count_take(checkpoint, *make_take(sound, clip.index))
        else:
            onsets, taken = _confirm_onsets(checkpoint, sound)
            count = Count(1, sound.size, 0, len(onsets), int(taken.sum()))
            classes[clip.label] += count
            total += count
    lines = {**dict(sorted(classes.items())), ALL: total} if classes else {}
    return {
        "on": checkpoint.config.claps.on,
        "fold": checkpoint.config.claps.fold,
        "claps": {person: _clap_figures(count) for person, count in sorted(people.items())},
        "others": {name: _other_figures(count) for name, count in lines.items()},
    }


def _select_unseen(checkpoint: Checkpoint, clips: Sequence[Clip]) -> list[Clip]:
    """Select the takes and other recordings that were not trained on.

    Takes are of the recipe's people; the others hold no claps.
    """
    want, folds = checkpoint.config.claps, assign_folds(clips)
    trained = {clip.index for takes in select_takes(clips, want).values() for clip in takes}
    takes = [clip for clip in clips if clip.label == CLAP and clip.group in {*want.people, *want.others}]
    others = [clip for clip in select_without_claps(clips, checkpoint.config) if folds[clip.index] == want.fold]
    return [clip for clip in takes if clip.index not in trained] + others


def _count_take(checkpoint: Checkpoint, sound: NDArray[np.float32], begins: NDArray[np.int64]) -> Count:
    onsets, taken = _confirm_onsets(checkpoint, sound)
    near = np.abs(np.subtract.outer(begins, onsets)) <= NEAR_SAMPLES  # (claps, onsets)
    return Count(1, sound.size, len(begins), int(near.any(axis=1).sum()), int((near & taken).any(axis=1).sum()))


def _confirm_onsets(checkpoint: Checkpoint, sound: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the onsets of a sound, and whether each is confirmed, both (n,)."""
    onsets, crops = cut_crops(sound)
    if not onsets:
        return np.empty(0, np.int64), np.empty(0, np.bool_)
    possible = np.array([not check_physics(crop) for crop in crops])
    return np.array(onsets), possible & (predict(checkpoint.model, np.array(crops)) >= checkpoint.config.claps.on)


def _clap_figures(count: Count) -> dict[str, Any]:
    return {
        "takes": count.recordings,
        "claps": count.claps,
        "onsets": count.onsets,
        "confirmed": count.confirmed,
        "recall": round(count.confirmed / count.claps, 4) if count.claps else None,
    }


def _other_figures(count: Count) -> dict[str, Any]:
    hours = count.samples / RATE_HZ / 3600.0
    return {
        "recordings": count.recordings,
        "hours": round(hours, 3),
        "onsets": count.onsets,
        "taken": count.confirmed,
        "share": round(count.confirmed / count.onsets, 5) if count.onsets else None,
        "per_hour": round(count.confirmed / hours, 2) if hours else None,
    }
