"""What a run learns from: a manifest's clips with their labels and parts, features, teachers, copies."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING

from edge.errors import ConfigError, DataError
from edge.frontend.params import FrontEndParams
from training.data.clap_takes import CLAP
from training.data.features import FeatureStore, open_features
from training.data.fit import fit_to_labels
from training.data.manifest import Clip, labels_of, map_classes, read_manifest, split_labels
from training.data.split import require_parts, split
from training.data.teacher import LogitTeacher, Teacher, read_logits, read_teacher
from training.data.varied import SIREN, Made, make_claps, make_sirens, open_copy
from training.models import step_frames

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from training.checkpoint import Checkpoint
    from training.config import Config
    from training.data.varied import Frames

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Recordings:
    """A manifest with everything that a job needs of it."""

    clips: list[Clip]
    """All rows of the manifest; those without a label take no part."""
    labels: tuple[str, ...]
    parts: dict[str, list[Clip]]
    store: FeatureStore
    teacher: Teacher | None


@dataclasses.dataclass(frozen=True, slots=True)
class Material:
    """What a run learns from and is watched on."""

    train: Sequence[Clip]
    validation: Sequence[Clip]
    labels: tuple[str, ...]
    store: FeatureStore
    teacher: Teacher | None
    logits: LogitTeacher | None = None
    copies: Sequence[Frames] = ()
    made: Sequence[Made] = ()


def open_recordings(data: Path, cache: Path, config: Config, params: FrontEndParams) -> Recordings:
    """Read the manifest in `data`, divide it, and open its features, which are computed the first time.

    Raises `DataError` for a manifest or recording that cannot be used, `OSError` for one that is not there.
    """
    clips = clips_of(data, config)
    labels = labels_of(clips)
    fit_to_labels(config.data, labels)  # what does not fit is said before anything is computed
    teacher = read_teacher(data / config.data.teacher, labels, len(clips)) if config.data.teacher else None
    parts = split(clips, config.data, config.train.seed)
    _log.info("clips: %s", ", ".join(f"{part} {len(members)}" for part, members in parts.items()))
    require_parts(parts)
    return Recordings(clips, labels, parts, open_features(data, clips, cache, params), teacher)


def recordings_of(data: Path, cache: Path, checkpoint: Checkpoint) -> Recordings:
    """Open the recordings in `data` as the run of a checkpoint did.

    Raises what `open_recordings` does, and `DataError` for recordings with other labels than the network.
    """
    have = open_recordings(data, cache, checkpoint.config, checkpoint.params)
    if have.labels != checkpoint.labels:
        msg = f"the recordings have other labels than the checkpoint ({', '.join(checkpoint.labels)})"
        raise DataError(msg, where=data)
    return have


def clips_of(data: Path, config: Config) -> list[Clip]:
    """Return the clips of the manifest in `data` with the labels to learn; raises what `read_manifest` does."""
    clips = read_manifest(data)
    if config.data.fine:
        clips = [_finely_labelled(clip) for clip in clips]
    corpora = {clip.corpus for clip in clips}
    for name in ("only", "leave_out", "test_corpora"):  # a typing mistake must not train on what is to be kept apart
        if unknown := sorted(set(getattr(config.data, name)) - corpora):
            msg = f"{data} has no corpus {unknown[0]!r}"
            raise ConfigError(msg, where=f"config: data.{name}")
    if only := set(config.data.only):
        clips = [clip if clip.corpus in only else dataclasses.replace(clip, label="", others=()) for clip in clips]
    return map_classes(clips, config.data.classes)


def _finely_labelled(clip: Clip) -> Clip:
    label, *others = split_labels(clip.fine) or ("",)
    return dataclasses.replace(clip, label=label, others=tuple(others))


def front_end(config: Config) -> FrontEndParams:
    """Return the front end of the network that `config` describes."""
    return FrontEndParams(decision_frames=step_frames(config.model))


def open_material(data: Path, cache: Path, config: Config) -> Material:
    """Open the recordings in `data` for a run of `config`; raises what `open_recordings` does."""
    return material_of(data, cache, config, open_recordings(data, cache, config, front_end(config)))


def material_of(data: Path, cache: Path, config: Config, have: Recordings) -> Material:
    """Return what a run learns from; copies and made-up sounds are computed the first time."""
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
    return Material(
        parts["train"],
        parts["validation"],
        have.labels,
        have.store,
        have.teacher,
        read_logits(data / settings.logits, len(clips)) if settings.logits else None,
        [open_copy(data, clips, cache, params, number) for number in range(settings.copies)],
        made,
    )
