"""The command `claps-evaluate`: the figures of a clap network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.commands.arguments import add_checkpoint as add_arguments
from training.commands.arguments import require_data, write_figures

if TYPE_CHECKING:
    import argparse

__all__ = ("add_arguments", "run")


def run(options: argparse.Namespace) -> None:
    """Print the figures of a clap network as tables, and write `--json`."""
    from training.checkpoint import load_checkpoint
    from training.claps.evaluation import evaluate_claps
    from training.report.claps import tabulate_claps, tabulate_others

    figures = evaluate_claps(require_data(options), load_checkpoint(options.checkpoint))
    print(tabulate_claps(figures).to_markdown(), tabulate_others(figures).to_markdown(), sep="\n\n")
    write_figures(options, figures)
