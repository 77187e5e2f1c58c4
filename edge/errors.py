"""The errors that Tocsin raises on purpose, each with an exit code of sysexits(3).

TocsinError                     70  a bug of Tocsin
├── UsageError                  64  an impossible request on the command line
├── DataError                   65  an input that cannot be used
│   ├── EmptyInput              65  an input without content               (HTTP 400)
│   ├── NotAudio                65  an unknown format of audio              (HTTP 415)
│   ├── BrokenAudio             65  damaged audio                           (HTTP 422)
│   └── TooLarge                65  more bytes or seconds than allowed      (HTTP 413)
├── InputMissing                66  a missing file
├── Unavailable                 69  a missing device, broker or library
│   ├── SourceUnavailable       69  a source that cannot be opened or was lost
│   └── ActionFailed            69  a failed action
├── StorageError                74  a full disk or an unusable database
├── Busy                        75  too much work at this moment            (HTTP 429)
├── Forbidden                   77  a missing permission
└── ConfigError                 78  a wrong configuration
    └── BundleError             78  a missing, damaged or refused model bundle

The message of each is one line that says what is wrong, where, and what to do about it.
"""

from __future__ import annotations

import errno


class TocsinError(Exception):
    """Base class of the errors that Tocsin raises on purpose."""

    exit_code = 70


class UsageError(TocsinError):
    """An impossible request on the command line."""

    exit_code = 64


class DataError(TocsinError):
    """An input that cannot be used."""

    exit_code = 65


class EmptyInput(DataError):
    """An input without content."""


class NotAudio(DataError):
    """An input in an unknown format of audio."""


class BrokenAudio(DataError):
    """An input of damaged audio."""


class TooLarge(DataError):
    """An input with more bytes or seconds than allowed."""


class InputMissing(TocsinError):
    """A missing file."""

    exit_code = 66


class Unavailable(TocsinError):
    """A missing device, broker or library."""

    exit_code = 69


class SourceUnavailable(Unavailable):
    """A source that cannot be opened or was lost."""


class ActionFailed(Unavailable):
    """A failed action."""

    def __init__(self, message: str, *, again: bool = True, wait_s: float = 0.0) -> None:
        """Take whether another try may succeed, and the least seconds before it."""
        super().__init__(message)
        self.again, self.wait_s = again, wait_s


class StorageError(TocsinError):
    """A full disk or an unusable database."""

    exit_code = 74


class Busy(TocsinError):
    """Too much work at this moment."""

    exit_code = 75


class Forbidden(TocsinError):
    """A missing permission."""

    exit_code = 77


class ConfigError(TocsinError):
    """A wrong configuration, perhaps in several places."""

    exit_code = 78

    def __init__(self, problem: str, *more: str) -> None:
        """Take a line for each problem; the message is the first one."""
        super().__init__(f"{problem} (and {len(more)} more: see 'tocsin config check')" if more else problem)
        self.problems = (problem, *more)


class BundleError(ConfigError):
    """A missing, damaged or refused model bundle."""


def describe_error(exc: Exception) -> tuple[str, int]:
    """Return the message and the exit code of an exception that ends a command."""
    if isinstance(exc, TocsinError):
        return str(exc), exc.exit_code
    if isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" {exc.filename}" if exc.filename else ""
        return f"cannot write{where}: {exc.strerror}; make room", StorageError.exit_code
    if isinstance(exc, PermissionError) and exc.filename:
        return f"{exc.filename}: permission denied; change its permissions", Forbidden.exit_code
    return describe_bug(exc), TocsinError.exit_code


def describe_bug(exc: Exception) -> str:
    """Return the message of an unexpected exception."""
    what = " ".join(str(exc).split())
    return f"internal error: {type(exc).__name__}: {what} (run again with --debug and report it)"
