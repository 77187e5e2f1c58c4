"""`python -m training import|train|evaluate|heldout|claps|claps-evaluate`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from training import importing
from training.config import load_config
from training.interrupts import Interrupted

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
    importing.add_arguments(commands.add_parser("import", help="bring recordings into a folder with a manifest"))
    for name, what in (("train", "train a network"), ("claps", "train the network that confirms claps")):
        train = commands.add_parser(name, parents=[common], add_help=False, help=what)
        train.add_argument("--config", type=Path, required=True, help="a recipe, see training/recipes")
        train.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change one of its settings")
        train.add_argument("--out", type=Path, default=Path("runs/last"), help="folder for the checkpoint")
        if name == "train":
            train.add_argument("--resume", action="store_true", help="go on with the run in OUT, if there is one")
            train.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), help="as --set train.device=DEVICE")
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
    if options.command != "import" and options.data is None:
        parser.error("give the folder with manifest.csv by --data or TOCSIN_DATA")
    try:
        _run(options)
    except (ValueError, OSError) as exc:
        print(f"python -m training: {exc}", file=sys.stderr)  # noqa: T201 - a command answers
        return 65 if isinstance(exc, ValueError) else 66
    except Interrupted as exc:
        print(f"python -m training: {exc}", file=sys.stderr)  # noqa: T201 - a command answers
        return 75
    return 0


def _run(options: argparse.Namespace) -> None:
    if options.command == "import":
        importing.run(options)
        return
    # torch takes seconds to load: --help does without
    from training import jobs  # noqa: PLC0415

    if options.command == "train":
        device = [f"train.device={options.device}"] if options.device else []
        config = load_config(options.config, [*options.set, *device])
        jobs.train(options.data, options.cache, config, options.out, resume=options.resume)
    elif options.command == "claps":
        jobs.train_claps(options.data, options.cache, load_config(options.config, options.set), options.out)
    elif options.command == "evaluate":
        jobs.report(options.data, options.cache, options.checkpoint, options.json)
    elif options.command == "claps-evaluate":
        jobs.report_claps(options.data, options.checkpoint, options.json)
    else:
        jobs.write_held_out(options.data, options.cache, options.checkpoint, options.out, options.most)


if __name__ == "__main__":
    sys.exit(main())
