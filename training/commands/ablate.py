"""The command `ablate`: a recipe with and without each of its augmentations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.errors import UsageError
from training.commands.arguments import add_recipe, load_recipe, require_data

if TYPE_CHECKING:
    import argparse

    from training.config import Config
    from training.learn.ablation import Results


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_recipe(parser)
    parser.add_argument("--without", nargs="*", default=[], metavar="NAME", help="leave out only these (default: each)")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each variant, with consecutive seeds")


def run(options: argparse.Namespace) -> None:
    """Train a recipe with and without each augmentation, and print the table.

    The table is kept in `--out` too. Raises `UsageError` for less than one seed, and what `train` and `ablation.ablate`
    raise.
    """
    from training.checkpoint import load_checkpoint
    from training.data.dataset import open_dataset
    from training.learn.ablation import RECIPE, ablate, make_variants
    from training.learn.engine import train, validate
    from training.report.ablation import tabulate_ablation

    data, config = require_data(options), load_recipe(options)
    if options.seeds < 1:
        msg = f"{options.seeds} seeds train nothing"
        raise UsageError(msg, where="--seeds", remedy="give 1 or more")

    def train_and_measure(variant: Config) -> dict[str, float]:
        dataset = open_dataset(data, options.cache, variant)
        return validate(load_checkpoint(train(dataset, variant, options.out / "run")).model, dataset)

    def tabulate(results: Results) -> str:
        return tabulate_ablation(results, RECIPE).to_markdown()

    first = config.train.seed
    seeds = range(first, first + options.seeds)
    print(tabulate(ablate(train_and_measure, make_variants(config, options.without), seeds, options.out, tabulate)))
