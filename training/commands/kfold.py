"""The command `kfold`: a network per fold, and figures on the held-out clips."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.commands.arguments import add_recipe, load_recipe, require_data

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_recipe(parser)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--folds", type=int, metavar="N", help="N folds of whole recordings and uploaders")
    which.add_argument("--published", metavar="CORPUS", help="the folds that a corpus was published with")
    which.add_argument("--corpora", type=int, metavar="N", help="leave every corpus of an event out once, in N folds")


def run(options: argparse.Namespace) -> None:
    """Train a network for each fold, and write and print the figures.

    figures.json and report.html are about the held-out clips of all folds. A fold that was trained by the same settings
    is not trained again; an interrupted one is resumed.
    """
    import dataclasses

    from training.checkpoint import load_checkpoint
    from training.data.dataset import make_dataset, make_front_end, open_recordings, read_clips
    from training.data.folds import choose_division
    from training.learn.engine import train
    from training.learn.losses import EXCLUSIVE
    from training.measure.evaluation import Evaluator, calibrate_and_score
    from training.report.folder import write_report
    from training.report.tables import format_figures

    data, cache, config, out = require_data(options), options.cache, load_recipe(options), options.out
    divide, method = choose_division(config, options.folds, options.published, options.corpora)
    have = open_recordings(data, cache, config, make_front_end(config))
    evaluator, networks = Evaluator.from_recordings(have, config), []
    for number, fold in enumerate(divide(read_clips(data, config)), 1):
        part = dataclasses.replace(have, parts=fold.parts)
        path = train(make_dataset(data, cache, config, part), config, out / f"fold-{number}", resume=True)
        model = load_checkpoint(path).model
        networks.append(
            calibrate_and_score(model, fold.name, fold.parts, evaluator, exclusive=config.train.loss in EXCLUSIVE)
        )
    print(format_figures(write_report(data, evaluator, networks, method, out)))
