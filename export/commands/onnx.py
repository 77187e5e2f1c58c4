"""The command `onnx`: the network of a checkpoint without a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)


def run(options: argparse.Namespace) -> None:
    """Write the folded network of a checkpoint as ONNX."""
    from export.graph.fold import fold
    from export.graph.onnx import to_onnx
    from training.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(options.checkpoint)
    options.out.write_bytes(to_onnx(fold(checkpoint.model), checkpoint.params))
