"""Every error Tocsin raises on purpose, each with the exit code of sysexits(3).

TocsinError                     70  a fault of Tocsin itself
├── UsageError                  64  the command line asks for what cannot be
├── DataError                   65  the input is there but cannot be used
│   ├── EmptyInput              65  nothing in it                          (HTTP 400)
│   ├── NotAudio                65  no audio format that can be read        (HTTP 415)
│   ├── BrokenAudio             65  audio, but damaged                      (HTTP 422)
│   └── TooLarge                65  more bytes or seconds than allowed      (HTTP 413)
├── InputMissing                66  no such file
├── Unavailable                 69  a device, broker or library is not there
│   ├── SourceUnavailable       69  a source cannot be opened, or was lost
│   └── ActionFailed            69  what a pattern should have started did not work
├── StorageError                74  the disk is full or the database unusable
├── Busy                        75  try again later                         (HTTP 429)
├── Forbidden                   77  no permission
└── ConfigError                 78  the configuration is wrong
    └── BundleError             78  a model bundle is missing, damaged or refused

The message of each is one line that says what is wrong, where, and what to do about it.
"""

from __future__ import annotations

import errno


class TocsinError(Exception):
    """Anything Tocsin raises on purpose."""

    exit_code = 70


class UsageError(TocsinError):
    """The command line asks for what cannot be."""

    exit_code = 64


class DataError(TocsinError):
    """The input is there but cannot be used."""

    exit_code = 65


class EmptyInput(DataError):
    """Nothing in the input."""


class NotAudio(DataError):
    """The input is in no audio format that can be read."""


class BrokenAudio(DataError):
    """The input is audio, but damaged."""


class TooLarge(DataError):
    """The input has more bytes or seconds than allowed."""


class InputMissing(TocsinError):
    """There is no such file."""

    exit_code = 66


class Unavailable(TocsinError):
    """A device, a broker or a library is not there."""

    exit_code = 69


class SourceUnavailable(Unavailable):
    """A source cannot be opened, or was lost."""


class ActionFailed(Unavailable):
    """What a pattern should have started did not work."""

    def __init__(self, message: str, *, again: bool = True, wait_s: float = 0.0) -> None:
        """Say whether another try may do better, and how many seconds the other side wants to be left alone."""
        super().__init__(message)
        self.again, self.wait_s = again, wait_s


class StorageError(TocsinError):
    """The disk is full, or the database cannot be used."""

    exit_code = 74


class Busy(TocsinError):
    """Too much to do at this moment."""

    exit_code = 75


class Forbidden(TocsinError):
    """The permission is missing."""

    exit_code = 77


class ConfigError(TocsinError):
    """The configuration is wrong, perhaps in several places."""

    exit_code = 78

    def __init__(self, problem: str, *more: str) -> None:
        """Take each thing that is wrong, in a line of its own; the message is the first of them."""
        super().__init__(f"{problem} (and {len(more)} more: see 'tocsin config check')" if more else problem)
        self.problems = (problem, *more)


class BundleError(ConfigError):
    """A model bundle is missing, damaged or refused."""


def describe_error(exc: Exception) -> tuple[str, int]:
    """Return the line and the exit code of an exception that ends a command."""
    if isinstance(exc, TocsinError):
        return str(exc), exc.exit_code
    if isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" {exc.filename}" if exc.filename else ""
        return f"cannot write{where}: {exc.strerror}; make room", StorageError.exit_code
    if isinstance(exc, PermissionError) and exc.filename:
        return f"{exc.filename}: permission denied; change its permissions", Forbidden.exit_code
    return describe_bug(exc), TocsinError.exit_code


def describe_bug(exc: Exception) -> str:
    """Return the line of an error that nobody foresaw."""
    what = " ".join(str(exc).split())
    return f"internal error: {type(exc).__name__}: {what} (run again with --debug and report it)"
