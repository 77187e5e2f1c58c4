"""Arguments that several commands share, and what they stand for."""

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
    """Add the recording that forms of a network are compared by."""
    parser.add_argument("--golden", type=Path, default=GOLDEN, help="recording to compare by (default: %(default)s)")


def add_engines(parser: argparse.ArgumentParser) -> None:
    """Add the folder of TensorRT engines."""
    parser.add_argument("--engines", type=Path, default=CACHE / "engines", help="folder for TensorRT engines")


def add_bundle(parser: argparse.ArgumentParser) -> None:
    """Add the recordings, a checkpoint, and what to say about the bundle that is made of it."""
    add_data(parser)
    add_golden(parser)
    parser.add_argument("checkpoint", type=Path)
    said = parser.add_mutually_exclusive_group()
    said.add_argument("--about", type=Path, help="what a person says about it, see export/about")
    said.add_argument("--id", help="its name, where nothing else is said (default: the folder's name)")
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder")


def about_of(options: argparse.Namespace) -> About:
    """Return what is said about a bundle; raise `UsageError` for a name that a device would refuse."""
    if options.about is not None:
        about = read_about(options.about, options.golden)
    else:
        about = About(options.id or options.out.resolve().name, options.golden)
    for what, name in (("id", about.id), ("version", about.version)):
        if not re.fullmatch(NAME, name):
            msg = f"{name!r} cannot be the {what} of a bundle"
            raise UsageError(msg, remedy="use only letters, digits and . _ - in --id or --about")
    return about
