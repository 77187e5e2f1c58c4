"""The command `claps`: the bundle of a clap network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from export.commands.arguments import add_bundle as add_arguments
from export.commands.arguments import build_about
from training.commands.arguments import require_data

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from training.checkpoint import Checkpoint
    from training.measure.evaluation import Evaluation

__all__ = ("add_arguments", "run")


def run(options: argparse.Namespace) -> None:
    """Measure a clap network, write its bundle, and verify it."""
    from edge.inference.bundle import CLAPS
    from edge.inference.load import verify_bundle
    from edge.pipeline.build import check_bundle
    from export.bundle.bundle import write_bundle
    from export.bundle.clapcard import render_clap_card
    from export.bundle.clapcrops import make_graded_claps
    from export.graph.parity import compare_networks
    from training.checkpoint import load_checkpoint

    data, checkpoint = require_data(options), load_checkpoint(options.checkpoint)
    about = build_about(options)
    evaluation = _evaluate(data, checkpoint)
    print(write_bundle(checkpoint, evaluation, about, options.out, task=CLAPS, card=render_clap_card))
    opened = verify_bundle(options.out, CLAPS, check=check_bundle)
    # The golden recording holds no clap, so it would not show a difference in their probabilities.
    parity = compare_networks(checkpoint.model, opened.model_path, make_graded_claps())
    print(f"on claps: {parity}")
    parity.check()
    print(f"{options.out}: written and verified")


def _evaluate(data: Path, checkpoint: Checkpoint) -> Evaluation:
    """Return the figures of a clap network.

    Logits are not calibrated; the recipe sets the threshold.
    """
    import numpy as np

    from training.claps.evaluation import evaluate_claps
    from training.data.clap_takes import CLAP
    from training.measure.calibration import Calibration
    from training.measure.evaluation import Evaluation

    as_it_is = Calibration(scale=np.ones(1), bias=np.zeros(1))
    figures = evaluate_claps(data, checkpoint)
    return Evaluation(as_it_is, {CLAP: {"on": checkpoint.config.claps.on}}, {CLAP: figures})
