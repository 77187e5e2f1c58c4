"""The command `report`: all figures of a checkpoint's test part, and a page of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from training.commands.arguments import add_data, data_of

if TYPE_CHECKING:
    import argparse

_METHOD = "Calibrated on the validation part, counted on the test part."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the arguments of the command."""
    add_data(parser)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path, help="folder for figures.json and report.html")


def run(options: argparse.Namespace) -> None:
    """Write figures.json and report.html of a checkpoint on its test part; print the figures."""
    from training.checkpoint import load_checkpoint
    from training.data.material import recordings_of
    from training.learn.losses import EXCLUSIVE
    from training.measure.evaluation import Judge, hear
    from training.report.proof import write_proof
    from training.report.tables import markdown

    checkpoint, data = load_checkpoint(options.checkpoint), data_of(options)
    have = recordings_of(data, options.cache, checkpoint)
    judge = Judge.of(have, checkpoint.config)
    heard = hear(checkpoint.model, "test part", have.parts, judge, exclusive=checkpoint.config.train.loss in EXCLUSIVE)
    print(markdown(write_proof(data, judge, [heard], _METHOD, options.out)))
