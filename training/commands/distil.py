"""The command `distil`: a network that learns from another beside the labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import DataError
from training.commands.arguments import add_recipe, data_of, recipe_of

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the arguments of the command."""
    add_recipe(parser)
    parser.add_argument("--teacher", type=Path, required=True, help="the checkpoint of the network that teaches")


def run(options: argparse.Namespace) -> None:
    """Train a network on the labels and on the answers of `--teacher`.

    Raises `DataError` when the teacher has other labels or hears other frames.
    """
    import dataclasses

    from training.checkpoint import load_checkpoint
    from training.data.material import front_end, material_of, open_recordings
    from training.learn.distillation import teacher_of
    from training.learn.engine import train

    data, config = data_of(options), recipe_of(options)
    checkpoint = load_checkpoint(options.teacher)
    theirs = open_recordings(data, options.cache, config, checkpoint.params)
    if theirs.labels != checkpoint.labels:
        named = ", ".join(checkpoint.labels)
        msg = f"the teacher knows other labels than the recordings have: {named}"
        raise DataError(msg, where=options.teacher)
    have = open_recordings(data, options.cache, config, front_end(config))
    have = dataclasses.replace(have, teacher=teacher_of(checkpoint, theirs.clips, theirs.store))
    train(material_of(data, options.cache, config, have), config, options.out)
