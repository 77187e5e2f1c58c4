"""The jobs behind the commands: read, divide, do, write."""

from __future__ import annotations

import dataclasses
import json
import logging
from typing import TYPE_CHECKING, Any

from edge.claps.crop import CLAP_FRONT_END
from edge.frontend.params import FrontEndParams
from training import engine
from training.checkpoint import Checkpoint, load_checkpoint
from training.claps import evaluation as clap_evaluation
from training.claps import learn
from training.claps.crops import open_crops
from training.claps.recordings import CLAP
from training.data.features import FeatureStore, open_features
from training.data.fit import fit_to_labels
from training.data.heldout import held_out
from training.data.manifest import Clip, labels_of, map_classes, read_manifest
from training.data.split import require_parts, split
from training.data.teacher import Teacher, read_logits, read_teacher
from training.data.varied import SIREN, make_claps, make_sirens, open_copy
from training.evaluation import Evaluation, Judge, evaluate, table

if TYPE_CHECKING:
    from pathlib import Path

    from training.config import Config

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Recordings:
    """A manifest with everything that a job needs of it."""

    labels: tuple[str, ...]
    parts: dict[str, list[Clip]]
    store: FeatureStore
    teacher: Teacher | None


def open_recordings(data: Path, cache: Path, config: Config, params: FrontEndParams) -> Recordings:
    """Read the manifest in `data`, divide it, and open its features, which are computed the first time.

    Raises `ValueError` for a manifest or recording that cannot be used, `OSError` for one that is not there.
    """
    clips = map_classes(read_manifest(data), config.data.classes)
    labels = labels_of(clips)
    fit_to_labels(config.data, labels)  # what does not fit is said before anything is computed
    teacher = read_teacher(data / config.data.teacher, labels, len(clips)) if config.data.teacher else None
    parts = split(clips, config.data, config.train.seed)
    _log.info("clips: %s", ", ".join(f"{part} {len(members)}" for part, members in parts.items()))
    require_parts(parts)
    return Recordings(labels, parts, open_features(data, clips, cache, params), teacher)


def train(data: Path, cache: Path, config: Config, out: Path, *, resume: bool = False) -> Path:
    """Train the network of `config` on the recordings in `data`, or go on with the run in `out`; see `engine.train`."""
    have = open_recordings(data, cache, config, FrontEndParams())
    return engine.train(material_of(data, cache, config, have), config, out, resume=resume)


def material_of(data: Path, cache: Path, config: Config, have: Recordings) -> engine.Material:
    """Return what a run learns from; copies and made-up sounds are computed the first time."""
    parts, settings, params, seed = have.parts, config.data, have.store.params, config.train.seed
    if unknown := sorted(set(settings.made) - {SIREN, CLAP}):
        msg = f"config: data.made: nothing makes {unknown[0]!r}; known: {SIREN}, {CLAP}"
        raise ValueError(msg)
    made = []
    if count := settings.made.get(SIREN, 0):
        made.append(make_sirens(count, params, seed))
    if count := settings.made.get(CLAP, 0):
        made.append(make_claps(data, parts["train"], count, params, seed))
    clips = read_manifest(data)
    return engine.Material(
        parts["train"],
        parts["validation"],
        have.labels,
        have.store,
        have.teacher,
        read_logits(data / settings.logits, len(clips)) if settings.logits else None,
        [open_copy(data, clips, cache, params, number) for number in range(settings.copies)],
        made,
    )


def train_claps(data: Path, cache: Path, config: Config, out: Path) -> Path:
    """Train the clap network of `config` on the recordings in `data`; return the path of the checkpoint."""
    crops = open_crops(data, read_manifest(data), cache, config)
    _log.info("crops: %d of claps, %d of others", len(crops.claps), len(crops.others))
    return learn.train(crops, config, out)


def measure(data: Path, cache: Path, checkpoint: Checkpoint) -> Evaluation:
    """Calibrate a network and measure it on the test part of its own division of the recordings in `data`.

    Raises `ValueError` when the recordings have other labels than the network.
    """
    have = open_recordings(data, cache, checkpoint.config, checkpoint.params)
    if have.labels != checkpoint.labels:
        msg = f"{data}: the recordings have other labels than the checkpoint ({', '.join(checkpoint.labels)})"
        raise ValueError(msg)
    return evaluate(checkpoint.model, have.parts, Judge(have.labels, have.store, have.teacher, checkpoint.config))


def report(data: Path, cache: Path, path: Path, target: Path | None) -> None:
    """Print the figures of a checkpoint as a table; write them to `target` as JSON too, if it is given."""
    evaluation = measure(data, cache, load_checkpoint(path))
    print(table(evaluation.figures))  # noqa: T201 - the answer of a command
    _write_figures(evaluation.figures, target)


def measure_claps(data: Path, checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the figures of a clap network on what it was not trained on of the recordings in `data`.

    Raises `ValueError` for a checkpoint of another network.
    """
    if checkpoint.params != CLAP_FRONT_END:
        msg = "the checkpoint is of no clap network: measure it by `evaluate`"
        raise ValueError(msg)
    return clap_evaluation.evaluate(checkpoint, data, read_manifest(data))


def report_claps(data: Path, path: Path, target: Path | None) -> None:
    """Print the figures of a clap network as tables; write them to `target` as JSON too, if it is given."""
    figures = measure_claps(data, load_checkpoint(path))
    print(clap_evaluation.claps_table(figures), clap_evaluation.others_table(figures), sep="\n\n")  # noqa: T201
    _write_figures(figures, target)


def write_held_out(data: Path, cache: Path, path: Path, target: Path, most: int) -> None:
    """Write up to `most` test clips of each label of a checkpoint to `target` as JSON, with their onsets."""
    checkpoint = load_checkpoint(path)
    have = open_recordings(data, cache, checkpoint.config, checkpoint.params)
    impulsive = checkpoint.config.data.impulsive
    chosen = held_out(have.parts["test"], have.labels, have.store, impulsive, most)
    target.write_text(json.dumps(chosen, indent=1) + "\n", encoding="utf-8")


def _write_figures(figures: dict[str, Any], target: Path | None) -> None:
    if target is not None:
        target.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
