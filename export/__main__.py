"""`python -m export bundle|claps|onnx|verify CHECKPOINT …`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

import edge
from edge.errors import TocsinError

_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tocsin"
_GOLDEN = Path(edge.__file__).parent / "data" / "street.flac"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m export", description="Turn checkpoints into bundles.")
    commands = parser.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("checkpoint", type=Path)
    common.add_argument("--about", type=Path, required=True, help="what a person says about it, see export/about")
    common.add_argument("--golden", type=Path, default=_GOLDEN, help="recording to replay at every start; a part ships")
    common.add_argument("--out", type=Path, required=True, help="the bundle's folder")
    common.add_argument("--data", type=Path, default=os.environ.get("TOCSIN_DATA"), help="folder with manifest.csv")
    bundle = commands.add_parser("bundle", parents=[common], help="calibrate, measure, and write a bundle")
    bundle.add_argument("--cache", type=Path, default=_CACHE, help="folder for features (default: %(default)s)")
    commands.add_parser("claps", parents=[common], help="measure a clap network, and write its bundle")
    onnx = commands.add_parser("onnx", help="write the network alone")
    onnx.add_argument("checkpoint", type=Path)
    onnx.add_argument("out", type=Path)
    verify = commands.add_parser("verify", help="compare a checkpoint with the bundle made from it")
    verify.add_argument("checkpoint", type=Path)
    verify.add_argument("bundle", type=Path)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if options.command in ("bundle", "claps") and options.data is None:
        parser.error("give the folder with manifest.csv by --data or TOCSIN_DATA")
    # torch takes seconds to load: --help does without
    from export import jobs  # noqa: PLC0415

    try:
        getattr(jobs, options.command)(options)
    except (TocsinError, ValueError, OSError) as exc:
        print(f"python -m export: {exc}", file=sys.stderr)  # noqa: T201 - a command answers
        return exc.exit_code if isinstance(exc, TocsinError) else 65 if isinstance(exc, ValueError) else 66
    return 0


if __name__ == "__main__":
    sys.exit(main())
