"""The command `bench`: the cost of networks on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from export.commands.arguments import NETWORK

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("networks", type=Path, nargs="+", metavar="BUNDLE", help=NETWORK)


def run(options: argparse.Namespace) -> None:
    """Print the cost of bundles or checkpoints on one thread of this machine.

    Published figures of other networks follow.
    """
    from export.compare.source import open_source
    from export.compare.speed import tabulate_speed, time_networks

    print(tabulate_speed(time_networks([open_source(path) for path in options.networks])))
