"""The command `tensorrt`: an engine for this machine's GPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from export.commands.arguments import NETWORK, add_engines
from training.commands.arguments import add_data

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_data(parser)
    add_engines(parser)
    parser.add_argument("network", type=Path, metavar="CHECKPOINT", help=NETWORK)
    parser.add_argument("--precision", choices=("fp32", "fp16", "int8"), default="fp16")


def run(options: argparse.Namespace) -> None:
    """Build the TensorRT engine of a checkpoint or bundle for this machine's GPU.

    A cached engine is used if there is one.
    """
    from export.compare.recordings import quantize_for_tensorrt
    from export.compare.source import open_source
    from export.graph.tensorrt import open_engine, require_tensorrt

    package, gpu = require_tensorrt()
    source, network = open_source(options.network), None
    if options.precision == "int8":
        network = quantize_for_tensorrt(source, options.data, options.cache)
    path = open_engine(
        network or source.network, source.params, options.precision, options.engines, package=package, gpu=gpu
    )
    print(f"{path}: {options.precision} engine for {gpu.name} ({gpu.capability}), TensorRT {package.__version__}")
