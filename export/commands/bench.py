"""The command `bench`: the cost of networks on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from export.commands.arguments import NETWORK

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the arguments of the command."""
    parser.add_argument("networks", type=Path, nargs="+", metavar="BUNDLE", help=NETWORK)


def run(options: argparse.Namespace) -> None:
    """Print what bundles or checkpoints cost on one thread here, beside the published figures of others."""
    from export.compare.source import open_source
    from export.compare.speed import tabulate_speed, time_networks

    print(tabulate_speed(time_networks([open_source(path) for path in options.networks])))
