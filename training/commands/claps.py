"""The command `claps`: training of the network that confirms claps."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from training.commands.arguments import add_recipe as add_arguments
from training.commands.arguments import load_recipe, require_data

if TYPE_CHECKING:
    import argparse

__all__ = ("add_arguments", "run")

log = logging.getLogger(__name__)


def run(options: argparse.Namespace) -> None:
    """Train the clap network of a recipe on crops of the recordings."""
    from training.claps.crops import open_crops
    from training.claps.learn import train_claps
    from training.data.manifest import read_manifest

    data, config = require_data(options), load_recipe(options)
    crops = open_crops(data, read_manifest(data), options.cache, config)
    log.info("crops: %d of claps, %d of others", len(crops.claps), len(crops.others))
    train_claps(crops, config, options.out)
