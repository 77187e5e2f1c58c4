"""Standard output and error: any encoding, any text, closed pipes.

Imports no large modules.
"""

from __future__ import annotations

import io
import os
import re
import signal
import sys
import threading
from typing import Any

from edge.jsontext import dumps

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_write_errors: list[OSError] = []


def prepare_streams() -> None:
    """Prepare the standard streams for any text; open those that the caller closed."""
    _write_errors.clear()
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, so that no database does
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(descriptor, "w", encoding="utf-8", closefd=False))  # noqa: SIM115 - no path
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def escape_line(text: str) -> str:
    """Escape line breaks, control characters and bytes that are not UTF-8."""
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def encode_json(value: Any, encoding: str, *, indent: int | None = None) -> str:  # noqa: ANN401 - any JSON value
    """Return JSON text for an encoding; characters outside of it become JSON escapes."""
    text = dumps(value, ensure_ascii=False, indent=indent)
    try:
        text.encode(encoding or "ascii")
    except UnicodeEncodeError:
        return dumps(value, indent=indent)
    return text


def write_line(text: str) -> None:
    """Write a line to standard output at once; an `OSError` ends the command."""
    if _write_errors:
        return
    try:
        print(text, flush=True)  # noqa: T201 - the command's output
    except OSError as exc:
        end_command(exc)


def end_command(error: OSError) -> None:
    """End the command because its output cannot be written (closed pipe, full disk).

    On the main thread the error is raised. Any other thread sends SIGTERM to the main one, which stops a service;
    `raise_write_error` then raises the error there.
    """
    _write_errors.append(error)
    discard_output()
    main = threading.main_thread()
    if threading.current_thread() is main:
        raise error
    if main.ident is not None:
        signal.pthread_kill(main.ident, signal.SIGTERM)


def raise_write_error() -> None:
    """Raise the error that ended the command on another thread."""
    if _write_errors:
        raise _write_errors[0]


def discard_output() -> None:
    """Discard output that cannot be written; else the interpreter reports it again at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)
