"""Standard output and error as they are: any encoding, any text, and a reader that may leave. Imports nothing heavy."""

from __future__ import annotations

import io
import os
import re
import signal
import sys
import threading
from typing import Any

from edge.jsontext import dumps

_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_write_errors: list[OSError] = []


def prepare_streams() -> None:
    """Make the standard streams fit for any text, and open those that the caller had closed."""
    _write_errors.clear()
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free; else a database would
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(descriptor, "w", encoding="utf-8", closefd=False))  # noqa: SIM115 - no path
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def escape_line(text: str) -> str:
    """Return text with escapes for what would break a line or steer a terminal, and for bytes that are no UTF-8."""
    return _BREAKS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def encode_json(value: Any, encoding: str, *, indent: int | None = None) -> str:  # noqa: ANN401 - any JSON value
    """Return JSON that can be written in an encoding: what it lacks stands there as JSON's own escape."""
    text = dumps(value, ensure_ascii=False, indent=indent)
    try:
        text.encode(encoding or "ascii")
    except UnicodeEncodeError:
        return dumps(value, indent=indent)
    return text


def write_line(text: str) -> None:
    """Write a line to standard output at once; where that cannot be, the command ends with the `OSError`."""
    if _write_errors:
        return
    try:
        print(text, flush=True)  # noqa: T201 - the command's output
    except OSError as exc:
        end_command(exc)


def end_command(error: OSError) -> None:
    """End the command, as its output cannot be written: nobody reads it any more, or the disk is full.

    On the main thread the error is raised. From another, such as a service's that tells of an event, the main thread is
    sent the signal that stops a service, and meets the error in `check`.
    """
    _write_errors.append(error)
    discard_output()
    main = threading.main_thread()
    if threading.current_thread() is main:
        raise error
    if main.ident is not None:
        signal.pthread_kill(main.ident, signal.SIGTERM)


def raise_write_error() -> None:
    """Raise the error for which another thread has ended the command."""
    if _write_errors:
        raise _write_errors[0]


def discard_output() -> None:
    """Forget what cannot be written; else the interpreter would complain once more while it ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
