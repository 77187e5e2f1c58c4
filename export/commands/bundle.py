"""The command `bundle`: a bundle with its calibration, figures and model card."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from export.commands.arguments import add_bundle, build_about
from training.commands.arguments import require_data

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_bundle(parser)
    parser.add_argument("--proof", type=Path, help="JSON of further measured tables for the model card")


def run(options: argparse.Namespace) -> None:
    """Calibrate and measure a checkpoint, write its bundle, and verify it."""
    from edge.inference.load import verify_bundle
    from edge.pipeline.build import check_bundle
    from export.bundle.bundle import write_bundle
    from export.bundle.proof import read_proof
    from training.checkpoint import load_checkpoint
    from training.measure.evaluation import evaluate_checkpoint

    data, checkpoint = require_data(options), load_checkpoint(options.checkpoint)
    about = build_about(options)
    if options.proof:
        about = dataclasses.replace(about, notes=f"{read_proof(options.proof)}\n\n{about.notes}")
    evaluation = evaluate_checkpoint(data, options.cache, checkpoint)
    print(write_bundle(checkpoint, evaluation, about, options.out))
    verify_bundle(options.out, check=check_bundle)
    print(f"{options.out}: written and verified")
