"""`python -m training import|train|distil|evaluate|kfold|ablate|report|heldout|claps|claps-evaluate`."""

from __future__ import annotations

import sys

from training.commands import (
    ablate,
    claps,
    claps_evaluate,
    distil,
    evaluate,
    heldout,
    import_,
    kfold,
    report,
    train,
)
from training.commands.commandline import Command, run_command

COMMANDS = {
    "import": Command("copy recordings into a folder with a manifest", import_.add_arguments, import_.run),
    "train": Command("train a network", train.add_arguments, train.run),
    "distil": Command("train a network on labels and on another network's answers", distil.add_arguments, distil.run),
    "kfold": Command("train and measure a network for each fold", kfold.add_arguments, kfold.run),
    "ablate": Command("train with and without each augmentation", ablate.add_arguments, ablate.run),
    "claps": Command("train the network that confirms claps", claps.add_arguments, claps.run),
    "evaluate": Command("measure on the test part", evaluate.add_arguments, evaluate.run),
    "claps-evaluate": Command("measure a clap network", claps_evaluate.add_arguments, claps_evaluate.run),
    "report": Command("write all figures of the test part, and a page", report.add_arguments, report.run),
    "heldout": Command("list clips that were not used for training", heldout.add_arguments, heldout.run),
}


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return the exit status."""
    return run_command("python -m training", "Train and measure Tocsin's networks.", COMMANDS, arguments)


if __name__ == "__main__":
    sys.exit(main())
