"""`python -m training import|train|distil|evaluate|kfold|ablate|report|heldout|claps|claps-evaluate`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from training.commands import importing
from training.config import load_config
from training.learn.interrupts import Interrupted

_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tocsin"
_INTERRUPTED = 130  # as a shell reports SIGINT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description="Train and measure Tocsin's networks.")
    parser.add_argument("--data", type=Path, default=os.environ.get("TOCSIN_DATA"), help="folder with manifest.csv")
    parser.add_argument("--cache", type=Path, default=_CACHE, help="folder for features (default: %(default)s)")
    return parser


def _train_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--resume", action="store_true", help="go on with the run in OUT, if there is one")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), help="as --set train.device=DEVICE")


def _fold_arguments(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--folds", type=int, metavar="N", help="N folds of whole recordings and uploaders")
    which.add_argument("--published", metavar="CORPUS", help="the folds that a corpus was published with")
    which.add_argument("--corpora", type=int, metavar="N", help="leave every corpus of an event out once, in N folds")


def _ablation_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--without", nargs="*", default=[], metavar="NAME", help="only these (default: each)")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each, with seeds one after another")


def _distil_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--teacher", type=Path, required=True, help="the checkpoint of the network that teaches")


_ARGUMENTS = {
    "train": _train_arguments,
    "distil": _distil_arguments,
    "kfold": _fold_arguments,
    "ablate": _ablation_arguments,
}


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return the exit status."""
    common = _parser()
    parser = argparse.ArgumentParser(prog=common.prog, description=common.description)
    commands = parser.add_subparsers(dest="command", required=True)
    importing.add_arguments(commands.add_parser("import", help="bring recordings into a folder with a manifest"))
    recipes = (
        ("train", "train a network"),
        ("distil", "train a network on what another says beside the labels"),
        ("kfold", "train and measure a network for each fold"),
        ("ablate", "train with and without each augmentation"),
        ("claps", "train the network that confirms claps"),
    )
    for name, what in recipes:
        recipe = commands.add_parser(name, parents=[common], add_help=False, help=what)
        recipe.add_argument("--config", type=Path, required=True, help="a recipe, see training/recipes")
        recipe.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", help="change one of its settings"
        )
        recipe.add_argument("--out", type=Path, default=Path("runs/last"), help="folder for what is made")
        _ARGUMENTS.get(name, lambda _: None)(recipe)
    for name, what in (("evaluate", "measure on the test part"), ("claps-evaluate", "measure a clap network")):
        evaluate = commands.add_parser(name, parents=[common], add_help=False, help=what)
        evaluate.add_argument("checkpoint", type=Path)
        evaluate.add_argument("--json", type=Path, help="write the figures here too")
    report = commands.add_parser(
        "report", parents=[common], add_help=False, help="all figures of the test part, a page"
    )
    report.add_argument("checkpoint", type=Path)
    report.add_argument("out", type=Path, help="folder for figures.json and report.html")
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
    except KeyboardInterrupt:
        return _INTERRUPTED
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
    from training.commands import jobs  # noqa: PLC0415

    data, cache = options.data, options.cache
    if options.command == "evaluate":
        jobs.report(data, cache, options.checkpoint, options.json)
    elif options.command == "claps-evaluate":
        jobs.report_claps(data, options.checkpoint, options.json)
    elif options.command == "report":
        jobs.prove_one(data, cache, options.checkpoint, options.out)
    elif options.command == "heldout":
        jobs.write_held_out(data, cache, options.checkpoint, options.out, options.most)
    else:
        _run_recipe(options)


def _run_recipe(options: argparse.Namespace) -> None:
    from training.commands import jobs  # noqa: PLC0415
    from training.data import folds  # noqa: PLC0415

    device = getattr(options, "device", None)
    config = load_config(options.config, [*options.set, *([f"train.device={device}"] if device else [])])
    where = (options.data, options.cache, config)
    if options.command == "train":
        jobs.train(*where, options.out, resume=options.resume)
    elif options.command == "distil":
        jobs.distil(*where, options.teacher, options.out)
    elif options.command == "claps":
        jobs.train_claps(*where, options.out)
    elif options.command == "ablate":
        jobs.ablate(*where, options.without, options.seeds, options.out)
    else:
        divide, method = folds.division(config, options.folds, options.published, options.corpora)
        jobs.prove(*where, divide, method, options.out)


if __name__ == "__main__":
    sys.exit(main())
