"""The command `evaluate`: the figures of a checkpoint on its test part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.commands.arguments import add_checkpoint as add_arguments
from training.commands.arguments import require_data, write_figures

if TYPE_CHECKING:
    import argparse

__all__ = ("add_arguments", "run")


def run(options: argparse.Namespace) -> None:
    """Print the figures of a checkpoint as a table, and write `--json`."""
    from training.checkpoint import load_checkpoint
    from training.measure.evaluation import evaluate_checkpoint
    from training.report.tables import tabulate_brief

    evaluation = evaluate_checkpoint(require_data(options), options.cache, load_checkpoint(options.checkpoint))
    print(tabulate_brief(evaluation.figures).to_markdown())
    write_figures(options, evaluation.figures)
