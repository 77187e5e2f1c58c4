"""`python -m export bundle|claps|onnx|int8|tensorrt|verify|bench CHECKPOINT …`."""

from __future__ import annotations

import sys

from export.commands import bench, bundle, claps, int8, onnx, tensorrt, verify
from training.commands.commandline import Command, run_command

COMMANDS = {
    "bundle": Command("calibrate, measure, and write a bundle", bundle.add_arguments, bundle.run),
    "claps": Command("measure a clap network, and write its bundle", claps.add_arguments, claps.run),
    "onnx": Command("write the network without a bundle", onnx.add_arguments, onnx.run),
    "int8": Command("write the network in 8 bits if it is faster and accurate", int8.add_arguments, int8.run),
    "tensorrt": Command("build a TensorRT engine", tensorrt.add_arguments, tensorrt.run),
    "verify": Command("compare the forms of a network", verify.add_arguments, verify.run),
    "bench": Command("print the cost of networks on this machine", bench.add_arguments, bench.run),
}


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return the exit status."""
    return run_command("python -m export", "Turn checkpoints into bundles.", COMMANDS, arguments)


if __name__ == "__main__":
    sys.exit(main())
