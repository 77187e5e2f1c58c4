"""The command `distil`: training on the labels and on another network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import DataError
from training.commands.arguments import add_recipe, load_recipe, require_data

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_recipe(parser)
    parser.add_argument("--teacher", type=Path, required=True, help="the checkpoint of the teacher")


def run(options: argparse.Namespace) -> None:
    """Train a network on the labels and on the answers of `--teacher`.

    Raises `DataError` when the teacher has other labels or another front end.
    """
    import dataclasses

    from training.checkpoint import load_checkpoint
    from training.data.dataset import make_dataset, make_front_end, open_recordings
    from training.learn.distillation import make_teacher
    from training.learn.engine import train

    data, config = require_data(options), load_recipe(options)
    checkpoint = load_checkpoint(options.teacher)
    theirs = open_recordings(data, options.cache, config, checkpoint.params)
    if theirs.labels != checkpoint.labels:
        named = ", ".join(checkpoint.labels)
        msg = f"the teacher knows other labels than the recordings have: {named}"
        raise DataError(msg, where=options.teacher)
    have = open_recordings(data, options.cache, config, make_front_end(config))
    have = dataclasses.replace(have, teacher=make_teacher(checkpoint, theirs.clips, theirs.store))
    train(make_dataset(data, options.cache, config, have), config, options.out)
