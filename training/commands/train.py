"""The command `train`: a checkpoint from a recipe and recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.commands.arguments import add_recipe, load_recipe, require_data

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_recipe(parser)
    parser.add_argument("--resume", action="store_true", help="resume the run in OUT, if there is one")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), help="as --set train.device=DEVICE")


def run(options: argparse.Namespace) -> None:
    """Train a network from scratch, or resume the run in `--out`.

    See `training.learn.engine.train`.
    """
    from training.data.dataset import open_dataset
    from training.learn.engine import train

    data, config = require_data(options), load_recipe(options)
    train(open_dataset(data, options.cache, config), config, options.out, resume=options.resume)
