"""The command `report`: all figures of a checkpoint's test part, with a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from training.commands.arguments import add_data, require_data

if TYPE_CHECKING:
    import argparse

_METHOD = "Calibrated on the validation part, counted on the test part."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_data(parser)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path, help="folder for figures.json and report.html")


def run(options: argparse.Namespace) -> None:
    """Write figures.json and report.html of a test part; print the figures."""
    from training.checkpoint import load_checkpoint
    from training.data.dataset import open_checkpoint_recordings
    from training.learn.losses import EXCLUSIVE
    from training.measure.evaluation import Evaluator, calibrate_and_score
    from training.report.folder import write_report
    from training.report.tables import format_figures

    checkpoint, data = load_checkpoint(options.checkpoint), require_data(options)
    have = open_checkpoint_recordings(data, options.cache, checkpoint)
    evaluator = Evaluator.from_recordings(have, checkpoint.config)
    network = calibrate_and_score(
        checkpoint.model, "test part", have.parts, evaluator, exclusive=checkpoint.config.train.loss in EXCLUSIVE
    )
    print(format_figures(write_report(data, evaluator, [network], _METHOD, options.out)))
