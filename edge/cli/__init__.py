"""The `tocsin` command: entry point and error boundary.

Every error becomes one line on standard error and an exit code of sysexits(3).
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, cast

from edge.cli import terminal
from edge.errors import UsageError, describe_error

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMPLETE = "_TOCSIN_COMPLETE"  # set by the script of `--show-completion`
_INTERRUPTED, _BROKEN_PIPE = 130, 141  # as a shell reports SIGINT and SIGPIPE


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    With ``--debug``, exceptions pass through with their traceback.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    terminal.prepare_streams()
    try:
        code = _invoke([argument for argument in arguments if argument != "--debug"])
        terminal.raise_write_error()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        terminal.discard_output()
        return _BROKEN_PIPE
    except Exception as exc:
        text, code = _describe(exc)
        terminal.discard_output()
        if "--debug" in arguments and code != UsageError.exit_code:
            raise
        print(f"tocsin: {terminal.escape_line(text)}", file=sys.stderr)  # noqa: T201 - the program's error message
        return code
    return code


def _invoke(arguments: list[str]) -> int:
    import typer

    from edge.cli.app import app

    command = typer.main.get_command(app)
    if _COMPLETE in os.environ:
        command.main(arguments, prog_name="tocsin")  # the shell asks for completions; this exits
    # Not app(…), which handles broken pipes and exit codes itself.
    try:
        with command.make_context("tocsin", arguments) as context:
            code = command.invoke(context)
    except typer.Exit as exc:
        code = exc.exit_code
    except typer.Abort as exc:
        raise KeyboardInterrupt from exc
    sys.stdout.flush()
    return code or 0


def _describe(exc: Exception) -> tuple[str, int]:
    """Return the message and the exit code of an error."""
    import typer

    # The base of BadParameter covers every usage error; its module differs between versions of typer.
    usage_error = cast("type[typer.BadParameter]", typer.BadParameter.__bases__[0])
    if isinstance(exc, usage_error):
        where = exc.ctx.command_path if exc.ctx else "tocsin"
        return f"{' '.join(exc.format_message().split())} (see '{where} --help')", UsageError.exit_code
    return describe_error(exc)
