"""Arguments shared by several commands, and their values."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import edge
from edge.errors import UsageError
from edge.inference.manifest import NAME
from export.bundle.about import About, read_about
from training.commands.arguments import CACHE, add_data

if TYPE_CHECKING:
    import argparse

GOLDEN = Path(edge.__file__).parent / "data" / "street.flac"
NETWORK = "a checkpoint, or a bundle's folder"


def add_golden(parser: argparse.ArgumentParser) -> None:
    """Add the recording by which forms of a network are compared."""
    parser.add_argument("--golden", type=Path, default=GOLDEN, help="recording to compare by (default: %(default)s)")


def add_engines(parser: argparse.ArgumentParser) -> None:
    """Add the folder of TensorRT engines."""
    parser.add_argument("--engines", type=Path, default=CACHE / "engines", help="folder for TensorRT engines")


def add_bundle(parser: argparse.ArgumentParser) -> None:
    """Add the recordings, a checkpoint, and the text about its bundle."""
    add_data(parser)
    add_golden(parser)
    parser.add_argument("checkpoint", type=Path)
    text = parser.add_mutually_exclusive_group()
    text.add_argument("--about", type=Path, help="TOML file with the text about it, see export/about")
    text.add_argument("--id", help="its name, without --about (default: the folder's name)")
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder")


def build_about(options: argparse.Namespace) -> About:
    """Return the text about a bundle.

    Raises `UsageError` for a name that a device would refuse.
    """
    if options.about is not None:
        about = read_about(options.about, options.golden)
    else:
        about = About(options.id or options.out.resolve().name, options.golden)
    for what, name in (("id", about.id), ("version", about.version)):
        if not re.fullmatch(NAME, name):
            msg = f"{name!r} cannot be the {what} of a bundle"
            raise UsageError(msg, remedy="use only letters, digits and . _ - in --id or --about")
    return about
