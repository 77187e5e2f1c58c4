"""The command `claps-evaluate`: the figures of a clap network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.commands.arguments import add_measured as add_arguments
from training.commands.arguments import data_of, write_figures

if TYPE_CHECKING:
    import argparse

__all__ = ("add_arguments", "run")


def run(options: argparse.Namespace) -> None:
    """Print the figures of a clap network as tables; write them to `--json` too."""
    from training.checkpoint import load_checkpoint
    from training.claps.evaluation import evaluate_claps
    from training.report.claps import claps_table, others_table

    figures = evaluate_claps(data_of(options), load_checkpoint(options.checkpoint))
    print(claps_table(figures).markdown(), others_table(figures).markdown(), sep="\n\n")
    write_figures(options, figures)
