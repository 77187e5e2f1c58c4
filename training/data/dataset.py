"""Recordings of a manifest, and the dataset of a training run."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING

from edge.errors import ConfigError, DataError
from edge.frontend.params import FrontEndParams
from training.data.clap_takes import CLAP
from training.data.features import FeatureStore, open_features
from training.data.fit import fit_to_labels
from training.data.manifest import Clip, collect_labels, map_classes, read_manifest, split_labels
from training.data.split import require_parts, split
from training.data.teacher import LogitTeacher, Teacher, read_logits, read_teacher
from training.data.varied import SIREN, SyntheticSounds, make_claps, make_sirens, open_copy
from training.models import compute_step_frames

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from training.checkpoint import Checkpoint
    from training.config import Config
    from training.data.varied import Frames

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Recordings:
    """The clips of a manifest with labels, parts, features and a teacher."""

    clips: list[Clip]
    """All rows of the manifest; those without a label take no part."""
    labels: tuple[str, ...]
    parts: dict[str, list[Clip]]
    store: FeatureStore
    teacher: Teacher | None


@dataclasses.dataclass(frozen=True, slots=True)
class Dataset:
    """Training and validation clips of a run, with features, teachers and copies."""

    train: Sequence[Clip]
    validation: Sequence[Clip]
    labels: tuple[str, ...]
    store: FeatureStore
    teacher: Teacher | None
    logits: LogitTeacher | None = None
    copies: Sequence[Frames] = ()
    synthetic: Sequence[SyntheticSounds] = ()


def open_recordings(data: Path, cache: Path, config: Config, params: FrontEndParams) -> Recordings:
    """Read the manifest in `data`, divide it, and open its features.

    Features are computed the first time. Raises `DataError` for a manifest or recording that cannot be used, `OSError`
    for one that does not exist.
    """
    clips = read_clips(data, config)
    labels = collect_labels(clips)
    fit_to_labels(config.data, labels)  # raises before anything is computed
    teacher = read_teacher(data / config.data.teacher, labels, len(clips)) if config.data.teacher else None
    parts = split(clips, config.data, config.train.seed)
    log.info("clips: %s", ", ".join(f"{part} {len(members)}" for part, members in parts.items()))
    require_parts(parts)
    return Recordings(clips, labels, parts, open_features(data, clips, cache, params), teacher)


def open_checkpoint_recordings(data: Path, cache: Path, checkpoint: Checkpoint) -> Recordings:
    """Open the recordings in `data` as the run of a checkpoint did.

    Raises what `open_recordings` does, and `DataError` for recordings with other labels than the network.
    """
    have = open_recordings(data, cache, checkpoint.config, checkpoint.params)
    if have.labels != checkpoint.labels:
        msg = f"the recordings have other labels than the checkpoint ({', '.join(checkpoint.labels)})"
        raise DataError(msg, where=data)
    return have


def read_clips(data: Path, config: Config) -> list[Clip]:
    """Read the clips of the manifest in `data` with the labels to learn.

    Raises what `read_manifest` does.
    """
    clips = read_manifest(data)
    if config.data.fine:
        clips = [_use_fine_labels(clip) for clip in clips]
    corpora = {clip.corpus for clip in clips}
    for name in ("only", "leave_out", "test_corpora"):  # a typing mistake must not train on held-out corpora
        if unknown := sorted(set(getattr(config.data, name)) - corpora):
            msg = f"{data} has no corpus {unknown[0]!r}"
            raise ConfigError(msg, where=f"config: data.{name}")
    if only := set(config.data.only):
        clips = [clip if clip.corpus in only else dataclasses.replace(clip, label="", others=()) for clip in clips]
    return map_classes(clips, config.data.classes)


def _use_fine_labels(clip: Clip) -> Clip:
    label, *others = split_labels(clip.fine) or ("",)
    return dataclasses.replace(clip, label=label, others=tuple(others))


def make_front_end(config: Config) -> FrontEndParams:
    """Return the front end of the network described by `config`."""
    return FrontEndParams(decision_frames=compute_step_frames(config.model))


def open_dataset(data: Path, cache: Path, config: Config) -> Dataset:
    """Open the recordings in `data` for a run of `config`.

    Raises what `open_recordings` does.
    """
    return make_dataset(data, cache, config, open_recordings(data, cache, config, make_front_end(config)))


def make_dataset(data: Path, cache: Path, config: Config, have: Recordings) -> Dataset:
    """Make the dataset of a run from its recordings.

    Copies and synthetic sounds are computed the first time.
    """
    parts, settings, params, seed = have.parts, config.data, have.store.params, config.train.seed
    if unknown := sorted(set(settings.made) - {SIREN, CLAP}):
        msg = f"nothing makes {unknown[0]!r}"
        raise ConfigError(msg, where="config: data.made", remedy=f"known are {SIREN}, {CLAP}")
    made = []
    if count := settings.made.get(SIREN, 0):
        made.append(make_sirens(count, params, seed))
    if count := settings.made.get(CLAP, 0):
        made.append(make_claps(data, parts["train"], count, params, seed))
    clips = have.clips
    return Dataset(
        parts["train"],
        parts["validation"],
        have.labels,
        have.store,
        have.teacher,
        read_logits(data / settings.logits, len(clips)) if settings.logits else None,
        [open_copy(data, clips, cache, params, number) for number in range(settings.copies)],
        made,
    )
