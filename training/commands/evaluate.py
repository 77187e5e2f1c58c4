"""The command `evaluate`: the figures of a checkpoint on its test part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.commands.arguments import add_measured as add_arguments
from training.commands.arguments import data_of, write_figures

if TYPE_CHECKING:
    import argparse

__all__ = ("add_arguments", "run")


def run(options: argparse.Namespace) -> None:
    """Print the figures of a checkpoint as a table; write them to `--json` too."""
    from training.checkpoint import load_checkpoint
    from training.measure.evaluation import evaluate_checkpoint
    from training.report.tables import brief

    evaluation = evaluate_checkpoint(data_of(options), options.cache, load_checkpoint(options.checkpoint))
    print(brief(evaluation.figures).markdown())
    write_figures(options, evaluation.figures)
