"""Arguments shared by several commands, and their values."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import UsageError
from edge.jsontext import dumps
from training.config import load_config

if TYPE_CHECKING:
    import argparse

    from training.config import Config

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tocsin"
"""The folder for files that can be computed again."""


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add the recordings and the cache of their features."""
    parser.add_argument("--data", type=Path, default=os.environ.get("TOCSIN_DATA"), help="folder with manifest.csv")
    add_cache(parser)


def add_cache(parser: argparse.ArgumentParser) -> None:
    """Add the cache of features."""
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder for features (default: %(default)s)")


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """Add the recordings, a recipe with changes, and the output folder."""
    add_data(parser)
    parser.add_argument("--config", type=Path, required=True, help="a recipe, see training/recipes")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change one of its settings")
    parser.add_argument("--out", type=Path, default=Path("runs/last"), help="output folder")


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """Add the recordings, a checkpoint, and a file for its figures."""
    add_data(parser)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--json", type=Path, help="write the figures here too")


def require_data(options: argparse.Namespace) -> Path:
    """Return the folder of the recordings; raise `UsageError` without one."""
    data: Path | None = options.data
    if data is None:
        msg = "the folder of recordings is missing"
        raise UsageError(msg, remedy="give the folder with manifest.csv by --data or TOCSIN_DATA")
    return data


def load_recipe(options: argparse.Namespace) -> Config:
    """Read the recipe and apply `--set` and `--device`.

    Raises what `load_config` does.
    """
    device = getattr(options, "device", None)
    return load_config(options.config, [*options.set, *([f"train.device={device}"] if device else [])])


def write_figures(options: argparse.Namespace, figures: dict[str, Any]) -> None:
    """Write figures to the file of `--json`, if it is given."""
    if options.json is not None:
        options.json.write_text(dumps(figures, indent=2) + "\n", encoding="utf-8")
