"""`python -m training train|evaluate|heldout|claps|claps-evaluate`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from training.config import load_config

_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tocsin"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description="Train and measure Tocsin's networks.")
    parser.add_argument("--data", type=Path, default=os.environ.get("TOCSIN_DATA"), help="folder with manifest.csv")
    parser.add_argument("--cache", type=Path, default=_CACHE, help="folder for features (default: %(default)s)")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return the exit status."""
    common = _parser()
    parser = argparse.ArgumentParser(prog=common.prog, description=common.description)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (("train", "train a network"), ("claps", "train the network that confirms claps")):
        train = commands.add_parser(name, parents=[common], add_help=False, help=what)
        train.add_argument("--config", type=Path, required=True, help="a recipe, see training/recipes")
        train.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change one of its settings")
        train.add_argument("--out", type=Path, default=Path("runs/last"), help="folder for the checkpoint")
    for name, what in (("evaluate", "measure on the test part"), ("claps-evaluate", "measure a clap network")):
        evaluate = commands.add_parser(name, parents=[common], add_help=False, help=what)
        evaluate.add_argument("checkpoint", type=Path)
        evaluate.add_argument("--json", type=Path, help="write the figures here too")
    heldout = commands.add_parser("heldout", parents=[common], add_help=False, help="list clips training did not see")
    heldout.add_argument("checkpoint", type=Path)
    heldout.add_argument("out", type=Path, help="the JSON file to write")
    heldout.add_argument("--most", type=int, default=20, help="clips of each label (default: %(default)s)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if options.data is None:
        parser.error("give the folder with manifest.csv by --data or TOCSIN_DATA")
    try:
        _run(options)
    except (ValueError, OSError) as exc:
        print(f"python -m training: {exc}", file=sys.stderr)  # noqa: T201 - a command answers
        return 65 if isinstance(exc, ValueError) else 66
    return 0


def _run(options: argparse.Namespace) -> None:
    # torch takes seconds to load: --help does without
    from training import jobs  # noqa: PLC0415

    if options.command in ("train", "claps"):
        job = jobs.train if options.command == "train" else jobs.train_claps
        job(options.data, options.cache, load_config(options.config, options.set), options.out)
    elif options.command == "evaluate":
        jobs.report(options.data, options.cache, options.checkpoint, options.json)
    elif options.command == "claps-evaluate":
        jobs.report_claps(options.data, options.checkpoint, options.json)
    else:
        jobs.write_held_out(options.data, options.cache, options.checkpoint, options.out, options.most)


if __name__ == "__main__":
    sys.exit(main())
