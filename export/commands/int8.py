"""The command `int8`: quantization to 8 bits."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from training.commands.arguments import add_data, require_data

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_data(parser)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--out", type=Path, help="the file to write (default: model.int8.onnx beside the checkpoint)")
    parser.add_argument("--force", action="store_true", help="write it even if it is slower or less accurate")


def run(options: argparse.Namespace) -> None:
    """Quantize a checkpoint; write the result if it is faster and accurate enough.

    Training clips set the scales. The loss is measured on the validation part: the test part is not used for choices.
    """
    from export.compare.recordings import feed_calibration, open_parts
    from export.compare.source import INT8, open_source
    from export.compare.timing import time_jobs_ms
    from export.graph.int8 import Comparison, quantize
    from export.graph.onnx import open_session, run_onnx

    data, source = require_data(options), open_source(options.checkpoint)
    parts = open_parts(data, options.cache, source.require_checkpoint())
    small = quantize(source.network, feed_calibration(source, parts["train"]))
    forms = [functools.partial(run_onnx, open_session(network)) for network in (source.network, small)]
    one, held = source.make_live_features(), parts["validation"]
    means = (held.mean_average_precision(held.scores(form, streaming=source.streaming)) for form in forms)
    verdict = Comparison(*time_jobs_ms([functools.partial(form, one) for form in forms]), *means)
    print(verdict)
    target = options.out or source.folder / INT8
    if verdict.pays or options.force:
        target.write_bytes(small)
        print(f"{target}: written")
    else:
        if options.out is None:  # removes the 8-bit form of an older network
            target.unlink(missing_ok=True)
        print(f"{target}: not written; --force writes it anyway")
