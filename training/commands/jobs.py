"""The jobs behind the commands: read, divide, do, write."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

from edge.claps.crop import CLAP_FRONT_END
from edge.jsontext import dumps
from training.checkpoint import Checkpoint, load_checkpoint
from training.claps import evaluation as clap_evaluation
from training.claps import learn
from training.claps.crops import open_crops
from training.data.fit import fit_to_labels
from training.data.heldout import held_out
from training.data.manifest import read_manifest
from training.data.material import clips_of, front_end, material_of, open_recordings
from training.learn import ablation, engine
from training.learn.distillation import teacher_of
from training.learn.losses import EXCLUSIVE
from training.measure import figures as counting
from training.measure.evaluation import Evaluation, Judge, evaluate, hear
from training.measure.scenes import Stage, play_scenes
from training.measure.schema import save_figures
from training.report.ablation import ablation_table
from training.report.claps import claps_table, others_table
from training.report.page import write_report
from training.report.pictures import pictures_of
from training.report.tables import brief, markdown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from training.config import Config
    from training.data.folds import Fold
    from training.data.manifest import Clip
    from training.data.material import Recordings
    from training.measure.evaluation import Heard
    from training.report.pictures import Picture

    Divide = Callable[[Sequence[Clip]], Sequence[Fold]]

_log = logging.getLogger(__name__)


def train(data: Path, cache: Path, config: Config, out: Path, *, resume: bool = False) -> Path:
    """Train the network of `config` on the recordings in `data`, or go on with the run in `out`; see `engine.train`."""
    have = open_recordings(data, cache, config, front_end(config))
    return engine.train(material_of(data, cache, config, have), config, out, resume=resume)


def distil(data: Path, cache: Path, config: Config, teacher: Path, out: Path) -> Path:
    """Train the network of `config` on what the one in `teacher` says beside the labels; return the checkpoint's path.

    Raises `ValueError` when the teacher has other labels or hears other frames.
    """
    checkpoint = load_checkpoint(teacher)
    theirs = open_recordings(data, cache, config, checkpoint.params)
    if theirs.labels != checkpoint.labels:
        msg = f"{teacher}: it knows other labels than the recordings have: {', '.join(checkpoint.labels)}"
        raise ValueError(msg)
    have = open_recordings(data, cache, config, front_end(config))
    have = dataclasses.replace(have, teacher=teacher_of(checkpoint, theirs.clips, theirs.store))
    return engine.train(material_of(data, cache, config, have), config, out)


def ablate(data: Path, cache: Path, config: Config, without: Sequence[str], seeds: int, out: Path) -> None:
    """Train a recipe with and without each of its augmentations; print the table, and keep it in `out`.

    Raises `ValueError` for less than one seed, and what `train` and `ablation.ablate` raise.
    """
    if seeds < 1:
        msg = f"--seeds: {seeds} trains nothing; give 1 or more"
        raise ValueError(msg)

    def train_and_measure(run: Config) -> dict[str, float]:
        have = open_recordings(data, cache, run, front_end(run))
        material = material_of(data, cache, run, have)
        return engine.validation_figures(load_checkpoint(engine.train(material, run, out / "run")).model, material)

    first = config.train.seed
    variants, seeds_ = ablation.variants(config, without), range(first, first + seeds)

    def tabulate(results: ablation.Results) -> str:
        return ablation_table(results, ablation.RECIPE).markdown()

    print(tabulate(ablation.ablate(train_and_measure, variants, seeds_, out, tabulate)))  # noqa: T201 - the answer of a command


def prove(data: Path, cache: Path, config: Config, divide: Divide, method: str, out: Path) -> None:
    """Train a network for each fold and count on what they held out; write figures.json and report.html to `out`.

    A fold that was trained already, by the same settings, is not trained again; one that was cut short goes on.
    """
    have = open_recordings(data, cache, config, front_end(config))
    judge = Judge(have.labels, have.store, have.teacher, config)
    heard = []
    for number, fold in enumerate(divide(clips_of(data, config)), 1):
        part = dataclasses.replace(have, parts=fold.parts)
        path = engine.train(material_of(data, cache, config, part), config, out / f"fold-{number}", resume=True)
        model = load_checkpoint(path).model
        heard.append(hear(model, fold.name, fold.parts, judge, exclusive=config.train.loss in EXCLUSIVE))
    _write_proof(data, have, judge, heard, method, out)


def prove_one(data: Path, cache: Path, path: Path, out: Path) -> None:
    """Write figures.json and report.html of a checkpoint on its test part to `out`."""
    checkpoint = load_checkpoint(path)
    have = _recordings_of(data, cache, checkpoint)
    judge = Judge(have.labels, have.store, have.teacher, checkpoint.config)
    exclusive = checkpoint.config.train.loss in EXCLUSIVE
    heard = hear(checkpoint.model, "test part", have.parts, judge, exclusive=exclusive)
    _write_proof(data, have, judge, [heard], "Calibrated on the validation part, counted on the test part.", out)


def _write_proof(data: Path, have: Recordings, judge: Judge, heard: Sequence[Heard], method: str, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    settings = judge.config.data
    events = [label for label in settings.events or have.labels if label in have.labels]
    stage = Stage(data, have.store.params, fit_to_labels(settings, have.labels).background, settings.impulsive)
    scenes = play_scenes([(one.trial, one.decide) for one in heard], have.labels, events, stage)
    figures = counting.measure(judge.held([one.trial for one in heard]), events, out.name, method, scenes)
    save_figures(figures, out / "figures.json")
    pictures: list[Picture] = []
    for one in heard:
        pictures += pictures_of(one.model, one.trial, have.labels, events, have.store, 1)
    write_report(figures, out / "report.html", sorted(pictures, key=lambda picture: events.index(picture.label)))
    print(markdown(figures))  # noqa: T201 - the answer of a command


def train_claps(data: Path, cache: Path, config: Config, out: Path) -> Path:
    """Train the clap network of `config` on the recordings in `data`; return the path of the checkpoint."""
    crops = open_crops(data, read_manifest(data), cache, config)
    _log.info("crops: %d of claps, %d of others", len(crops.claps), len(crops.others))
    return learn.train(crops, config, out)


def measure(data: Path, cache: Path, checkpoint: Checkpoint) -> Evaluation:
    """Calibrate a network and measure it on the test part of its own division of the recordings in `data`.

    Raises `ValueError` when the recordings have other labels than the network.
    """
    have = _recordings_of(data, cache, checkpoint)
    return evaluate(checkpoint.model, have.parts, Judge(have.labels, have.store, have.teacher, checkpoint.config))


def _recordings_of(data: Path, cache: Path, checkpoint: Checkpoint) -> Recordings:
    have = open_recordings(data, cache, checkpoint.config, checkpoint.params)
    if have.labels != checkpoint.labels:
        msg = f"{data}: the recordings have other labels than the checkpoint ({', '.join(checkpoint.labels)})"
        raise ValueError(msg)
    return have


def report(data: Path, cache: Path, path: Path, target: Path | None) -> None:
    """Print the figures of a checkpoint as a table; write them to `target` as JSON too, if it is given."""
    evaluation = measure(data, cache, load_checkpoint(path))
    print(brief(evaluation.figures).markdown())  # noqa: T201 - the answer of a command
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
    print(claps_table(figures).markdown(), others_table(figures).markdown(), sep="\n\n")  # noqa: T201
    _write_figures(figures, target)


def write_held_out(data: Path, cache: Path, path: Path, target: Path, most: int) -> None:
    """Write up to `most` test clips of each label of a checkpoint to `target` as JSON, with their onsets."""
    checkpoint = load_checkpoint(path)
    have = _recordings_of(data, cache, checkpoint)
    impulsive = checkpoint.config.data.impulsive
    chosen = held_out(have.parts["test"], have.labels, have.store, impulsive, most)
    target.write_text(dumps(chosen, indent=1) + "\n", encoding="utf-8")


def _write_figures(figures: dict[str, Any], target: Path | None) -> None:
    if target is not None:
        target.write_text(dumps(figures, indent=2) + "\n", encoding="utf-8")
