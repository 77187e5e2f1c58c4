"""The command `kfold`: a network for each fold, and figures of what the folds held out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.commands.arguments import add_recipe, data_of, recipe_of

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the arguments of the command."""
    add_recipe(parser)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--folds", type=int, metavar="N", help="N folds of whole recordings and uploaders")
    which.add_argument("--published", metavar="CORPUS", help="the folds that a corpus was published with")
    which.add_argument("--corpora", type=int, metavar="N", help="leave every corpus of an event out once, in N folds")


def run(options: argparse.Namespace) -> None:
    """Train a network for each fold; write figures.json and report.html of what they held out, and print the figures.

    A fold that was trained already, by the same settings, is not trained again; one that was cut short goes on.
    """
    import dataclasses

    from training.checkpoint import load_checkpoint
    from training.data.folds import division
    from training.data.material import clips_of, front_end, material_of, open_recordings
    from training.learn.engine import train
    from training.learn.losses import EXCLUSIVE
    from training.measure.evaluation import Judge, hear
    from training.report.proof import write_proof
    from training.report.tables import markdown

    data, cache, config, out = data_of(options), options.cache, recipe_of(options), options.out
    divide, method = division(config, options.folds, options.published, options.corpora)
    have = open_recordings(data, cache, config, front_end(config))
    judge, heard = Judge.of(have, config), []
    for number, fold in enumerate(divide(clips_of(data, config)), 1):
        part = dataclasses.replace(have, parts=fold.parts)
        path = train(material_of(data, cache, config, part), config, out / f"fold-{number}", resume=True)
        model = load_checkpoint(path).model
        heard.append(hear(model, fold.name, fold.parts, judge, exclusive=config.train.loss in EXCLUSIVE))
    print(markdown(write_proof(data, judge, heard, method, out)))
