"""The command line of `training` and `export`: a table of commands, and one line for whatever goes wrong."""

from __future__ import annotations

import argparse
import logging
import sys
from typing import TYPE_CHECKING, NamedTuple

from edge.errors import TocsinError
from training.learn.interrupts import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_INTERRUPTED = 130  # as a shell reports SIGINT


class Command(NamedTuple):
    """A row of the table of commands."""

    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], None]
    """Imports what it needs by itself: torch takes seconds to load, and `--help` does without."""


def run_command(
    prog: str, description: str, commands: Mapping[str, Command], arguments: Sequence[str] | None = None
) -> int:
    """Run the command that the arguments name; return the exit status."""
    options = _parser(prog, description, commands).parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        commands[options.command].run(options)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (TocsinError, ValueError, OSError, Interrupted) as exc:
        print(f"{prog}: {exc}", file=sys.stderr)
        return _code(exc)
    return 0


def _parser(prog: str, description: str, commands: Mapping[str, Command]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=prog, description=description)
    rows = parser.add_subparsers(dest="command", required=True)
    for name, command in commands.items():
        command.add_arguments(rows.add_parser(name, help=command.help))
    return parser


def _code(exc: Exception) -> int:
    if isinstance(exc, Interrupted):
        return 75
    if isinstance(exc, TocsinError):
        return exc.exit_code
    return 65 if isinstance(exc, ValueError) else 66
