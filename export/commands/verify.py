"""The command `verify`: the forms of a network side by side."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from export.commands.arguments import NETWORK, add_engines, add_golden
from training.commands.arguments import add_cache

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    # without TOCSIN_DATA as the default: those recordings may have other labels
    parser.add_argument("--data", type=Path, help="folder with manifest.csv, to measure on its recordings too")
    add_cache(parser)
    add_golden(parser)
    add_engines(parser)
    parser.add_argument("network", type=Path, metavar="CHECKPOINT", help=NETWORK)
    parser.add_argument("bundle", type=Path, nargs="?", help="the bundle made from the checkpoint")


def run(options: argparse.Namespace) -> None:
    """Compare the forms of a network on its golden recording.

    With `--data` they are compared on a labelled set too. Raises `DataError` when folding or ONNX changes a probability
    by more than the limit.
    """
    from edge.inference.onnx import OnnxClassifier
    from export.compare.forms import Places, compare_forms, open_forms, tabulate_forms
    from export.compare.recordings import open_labelled_set
    from export.compare.source import open_source
    from export.graph.parity import compare_networks

    source = open_source(options.network)
    if options.bundle is not None:
        source = dataclasses.replace(open_source(options.bundle), checkpoint=source.require_checkpoint())
    if source.bundle is not None:
        OnnxClassifier(source.bundle)
    forms, absent = open_forms(source, Places(options.data, options.cache, options.engines))
    golden = source.read_golden(options.golden)
    wanted = source.bundle.golden.logits if source.checkpoint is None and source.bundle else forms["torch"](golden)
    rows = compare_forms(forms, wanted, golden, source, open_labelled_set(source, options.data, options.cache))
    print(tabulate_forms(rows, absent))
    if source.checkpoint is not None:
        parity = compare_networks(source.checkpoint.model, source.network, golden)
        print(parity)
        parity.check()
