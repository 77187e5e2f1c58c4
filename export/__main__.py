"""`python -m export bundle|claps|onnx|int8|tensorrt|verify|bench CHECKPOINT …`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

import edge
from edge.errors import TocsinError

_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tocsin"
_INTERRUPTED = 130  # as a shell reports SIGINT
_GOLDEN = Path(edge.__file__).parent / "data" / "street.flac"
_NETWORK = "a checkpoint, or a bundle's folder"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m export", description="Turn checkpoints into bundles.")
    commands = parser.add_subparsers(dest="command", required=True)
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument("--data", type=Path, default=os.environ.get("TOCSIN_DATA"), help="folder with manifest.csv")
    data.add_argument("--cache", type=Path, default=_CACHE, help="folder for features (default: %(default)s)")
    # verify measures recordings only when it is asked to: those of the environment may have other labels
    asked = argparse.ArgumentParser(add_help=False)
    asked.add_argument("--data", type=Path, help="folder with manifest.csv, to measure on its recordings too")
    asked.add_argument("--cache", type=Path, default=_CACHE, help="folder for features (default: %(default)s)")
    golden = argparse.ArgumentParser(add_help=False)
    golden.add_argument("--golden", type=Path, default=_GOLDEN, help="recording to compare by (default: %(default)s)")
    engines = argparse.ArgumentParser(add_help=False)
    engines.add_argument("--engines", type=Path, default=_CACHE / "engines", help="folder for TensorRT engines")

    makes = {
        "bundle": "calibrate, measure, and write a bundle",
        "claps": "measure a clap network, and write its bundle",
    }
    for name, what in makes.items():
        bundle = commands.add_parser(name, parents=[data, golden], help=what)
        bundle.add_argument("checkpoint", type=Path)
        said = bundle.add_mutually_exclusive_group()
        said.add_argument("--about", type=Path, help="what a person says about it, see export/about")
        said.add_argument("--id", help="its name, where nothing else is said (default: the folder's name)")
        bundle.add_argument("--out", type=Path, required=True, help="the bundle's folder")
        if name == "bundle":
            bundle.add_argument("--proof", type=Path, help="JSON of further measured tables for the model card")

    onnx = commands.add_parser("onnx", help="write the network alone")
    onnx.add_argument("checkpoint", type=Path)
    onnx.add_argument("out", type=Path)

    int8 = commands.add_parser("int8", parents=[data], help="write the network in 8 bits where that pays")
    int8.add_argument("checkpoint", type=Path)
    int8.add_argument("--out", type=Path, help="the file to write (default: model.int8.onnx beside the checkpoint)")
    int8.add_argument("--force", action="store_true", help="write it also where it does not pay")

    tensorrt = commands.add_parser("tensorrt", parents=[data, engines], help="build a TensorRT engine")
    tensorrt.add_argument("network", type=Path, metavar="CHECKPOINT", help=_NETWORK)
    tensorrt.add_argument("--precision", choices=("fp32", "fp16", "int8"), default="fp16")

    verify = commands.add_parser("verify", parents=[asked, golden, engines], help="put a network's forms side by side")
    verify.add_argument("network", type=Path, metavar="CHECKPOINT", help=_NETWORK)
    verify.add_argument("bundle", type=Path, nargs="?", help="the bundle made from the checkpoint")

    bench = commands.add_parser("bench", help="say what networks cost here")
    bench.add_argument("networks", type=Path, nargs="+", metavar="BUNDLE", help=_NETWORK)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if options.command in ("bundle", "claps", "int8") and options.data is None:
        parser.error("give the folder with manifest.csv by --data or TOCSIN_DATA")
    # torch takes seconds to load: --help does without
    from export.commands import comparisons, jobs  # noqa: PLC0415

    try:
        getattr(jobs if options.command in ("bundle", "claps", "onnx") else comparisons, options.command)(options)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (TocsinError, ValueError, OSError) as exc:
        print(f"python -m export: {exc}", file=sys.stderr)  # noqa: T201 - a command answers
        return exc.exit_code if isinstance(exc, TocsinError) else 65 if isinstance(exc, ValueError) else 66
    return 0


if __name__ == "__main__":
    sys.exit(main())
