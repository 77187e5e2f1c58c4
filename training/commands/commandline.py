"""The command line of `training` and `export`: commands, and one line per error.

An error that a user can correct is a `TocsinError`, with its exit code of sysexits(3), or an `OSError`. Anything else
is a fault of Tocsin: status 70, and its traceback with `--debug`.
"""

from __future__ import annotations

import argparse
import logging
import sys
import traceback
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from edge.errors import InputMissing, TocsinError, UsageError, describe_error, from_os_error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_INTERRUPTED = 130  # as a shell reports SIGINT
_DEBUG = "--debug"


class Command(NamedTuple):
    """A row of the table of commands."""

    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], None]
    """Imports its modules inside: torch takes seconds to load, and `--help` needs none of them."""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors have the exit code of a usage error."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and one line, and end the program."""
        self.print_usage(sys.stderr)
        self.exit(UsageError.exit_code, f"{self.prog}: error: {message}\n")


def run_command(
    prog: str, description: str, commands: Mapping[str, Command], arguments: Sequence[str] | None = None
) -> int:
    """Run the command named by the arguments; return the exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser(prog, description, commands).parse_args([item for item in given if item != _DEBUG])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        commands[options.command].run(options)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception as exc:  # noqa: BLE001 - tracebacks are shown only on request
        if _DEBUG in given:
            traceback.print_exception(exc)
        line, code = _describe(exc)
        print(f"{prog}: {line}", file=sys.stderr)
        return code
    return 0


def _parser(prog: str, description: str, commands: Mapping[str, Command]) -> argparse.ArgumentParser:
    parser = _Parser(prog=prog, description=description)
    parser.add_argument(_DEBUG, action="store_true", help="show the traceback of an error")
    rows = parser.add_subparsers(dest="command", required=True)
    for name, command in commands.items():
        command.add_arguments(rows.add_parser(name, help=command.help))
    return parser


def _describe(exc: Exception) -> tuple[str, int]:
    """Return the line and the exit code of an exception.

    A file that cannot be used counts as missing.
    """
    line, code = describe_error(exc)
    if isinstance(exc, OSError) and code == TocsinError.exit_code:
        line, code = describe_error(from_os_error(exc, action="opened", kind=InputMissing))
    return " ".join(line.splitlines()), code
