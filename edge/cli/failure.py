"""The line and the exit code of an error."""

from __future__ import annotations

import errno
from typing import cast

from edge.errors import TocsinError

USAGE, _INTERNAL, _DISK, _FORBIDDEN = 64, 70, 74, 77


def explain(exc: Exception) -> tuple[str, int]:
    """Return an error's line and exit code."""
    import typer

    # The base of BadParameter is every error of usage, wherever this version of typer keeps that class.
    usage_error = cast("type[typer.BadParameter]", typer.BadParameter.__bases__[0])
    if isinstance(exc, usage_error):
        where = exc.ctx.command_path if exc.ctx else "tocsin"
        return f"{' '.join(exc.format_message().split())} (see '{where} --help')", USAGE
    if isinstance(exc, TocsinError):
        return str(exc), exc.exit_code
    if isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"cannot write{f' {exc.filename}' if exc.filename else ''}: {exc.strerror}; make room", _DISK
    if isinstance(exc, PermissionError) and exc.filename:
        return f"{exc.filename}: permission denied; change its permissions", _FORBIDDEN
    return internal(exc), _INTERNAL


def internal(exc: Exception) -> str:
    """Return the line of an error that nobody foresaw."""
    what = " ".join(str(exc).split())
    return f"internal error: {type(exc).__name__}: {what} (run again with --debug and report it)"
