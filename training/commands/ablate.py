"""The command `ablate`: a recipe with and without each of its augmentations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.errors import UsageError
from training.commands.arguments import add_recipe, data_of, recipe_of

if TYPE_CHECKING:
    import argparse

    from training.config import Config
    from training.learn.ablation import Results


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the arguments of the command."""
    add_recipe(parser)
    parser.add_argument("--without", nargs="*", default=[], metavar="NAME", help="only these (default: each)")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each, with seeds one after another")


def run(options: argparse.Namespace) -> None:
    """Train a recipe with and without each of its augmentations; print the table, and keep it in `--out`.

    Raises `UsageError` for less than one seed, and what `train` and `ablation.ablate` raise.
    """
    from training.checkpoint import load_checkpoint
    from training.data.material import open_material
    from training.learn.ablation import RECIPE, ablate, variants
    from training.learn.engine import train, validation_figures
    from training.report.ablation import ablation_table

    data, config = data_of(options), recipe_of(options)
    if options.seeds < 1:
        msg = f"{options.seeds} seeds train nothing"
        raise UsageError(msg, where="--seeds", remedy="give 1 or more")

    def train_and_measure(variant: Config) -> dict[str, float]:
        material = open_material(data, options.cache, variant)
        return validation_figures(load_checkpoint(train(material, variant, options.out / "run")).model, material)

    def tabulate(results: Results) -> str:
        return ablation_table(results, RECIPE).markdown()

    first = config.train.seed
    seeds = range(first, first + options.seeds)
    print(tabulate(ablate(train_and_measure, variants(config, options.without), seeds, options.out, tabulate)))
