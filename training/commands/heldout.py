"""The command `heldout`: a list of clips not used for training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge.jsontext import dumps
from training.commands.arguments import add_data, require_data

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_data(parser)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path, help="the JSON file to write")
    parser.add_argument("--most", type=int, default=20, help="clips of each label (default: %(default)s)")


def run(options: argparse.Namespace) -> None:
    """Write test clips of a checkpoint with their onsets as JSON.

    Up to `--most` clips of each label are written.
    """
    from training.checkpoint import load_checkpoint
    from training.data.dataset import open_checkpoint_recordings
    from training.data.heldout import select_clips

    checkpoint = load_checkpoint(options.checkpoint)
    have = open_checkpoint_recordings(require_data(options), options.cache, checkpoint)
    impulsive = checkpoint.config.data.impulsive
    chosen = select_clips(have.parts["test"], have.labels, have.store, impulsive, options.most)
    options.out.write_text(dumps(chosen, indent=1) + "\n", encoding="utf-8")
