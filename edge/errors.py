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

Each has the problem (`what`), its place (`where`) and the `remedy`. Only `str` renders them as one line, and nothing
parses that line.
"""

from __future__ import annotations

import difflib
import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
"""Error numbers of a disk without room, or without room for this user."""


class TocsinError(Exception):
    """Base class of the errors that Tocsin raises on purpose."""

    exit_code = 70

    def __init__(self, what: str, *, where: str | Path = "", remedy: str = "") -> None:
        """Take the problem, its place (a path, a key, an address) and the remedy."""
        super().__init__(what)
        self.what, self.where, self.remedy = what, str(where), remedy

    def __str__(self) -> str:
        """Return the error in one line."""
        return render(self.what, where=self.where, remedy=self.remedy)


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

    def __init__(
        self, what: str, *, where: str | Path = "", remedy: str = "", again: bool = True, wait_s: float = 0.0
    ) -> None:
        """Take also whether to try again, and the least seconds before that."""
        super().__init__(what, where=where, remedy=remedy)
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

    def __init__(
        self, what: str, *, where: str | Path = "", remedy: str = "", more: Iterable[TocsinError] = ()
    ) -> None:
        """Take the first problem, and `more` that were found with it."""
        super().__init__(what, where=where, remedy=remedy)
        self.more = tuple(more)

    @property
    def problems(self) -> tuple[str, ...]:
        """One line for each problem."""
        return (super().__str__(), *map(str, self.more))

    def __str__(self) -> str:
        """Return the first problem, and the number of the others."""
        line = super().__str__()
        return f"{line} (and {len(self.more)} more: see 'tocsin config check')" if self.more else line


class BundleError(ConfigError):
    """A missing, damaged or refused model bundle."""


def render(what: str, *, where: str = "", remedy: str = "") -> str:
    """Return an error in one line: where, what, and the remedy."""
    line = f"{where}: {what}" if where else what
    return f"{line}; {remedy}" if remedy else line


def join_problems(problems: Sequence[TocsinError]) -> TocsinError:
    """Return one error for one or more problems with the configuration."""
    first, *more = problems
    return ConfigError(first.what, where=first.where, remedy=first.remedy, more=more) if more else first


def suggest(name: str, known: Sequence[str]) -> str:
    """Return the remedy for an unknown name: the nearest known one, or all of them."""
    near = difflib.get_close_matches(name, known, 1, 0.5)
    return f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known)}" if known else "none is defined"


def from_os_error(
    exc: OSError,
    where: str | Path = "",
    *,
    action: str = "read",
    kind: type[TocsinError] = DataError,
    missing: type[TocsinError] = InputMissing,
    permission: str = "change its permissions",
) -> TocsinError:
    """Return the error for a failed system call on a file.

    `action` is what was tried, as a participle; `missing` is the class where there is no file, `kind` that of other
    errors, and `permission` the remedy for a missing permission.
    """
    where = where or exc.filename or ""
    if exc.errno in DISK_FULL:
        return StorageError(f"it cannot be {action}: {reason_of(exc)}", where=where, remedy="make room on the disk")
    if isinstance(exc, (FileNotFoundError, NotADirectoryError)):
        return missing("there is no such file", where=where)
    if isinstance(exc, PermissionError):
        return Forbidden("permission denied", where=where, remedy=permission)
    return kind(f"it cannot be {action}: {reason_of(exc)}", where=where)


def reason_of(exc: Exception) -> str:
    """Return the reason of an error that another library raised, in one line."""
    return " ".join((getattr(exc, "strerror", None) or str(exc)).split()) or type(exc).__name__


def describe_error(exc: Exception) -> tuple[str, int]:
    """Return the line and the exit code of an exception that ends a command."""
    if isinstance(exc, OSError) and (exc.errno in DISK_FULL or (isinstance(exc, PermissionError) and exc.filename)):
        exc = from_os_error(exc, exc.filename or "output", action="written")
    if isinstance(exc, TocsinError):
        return str(exc), exc.exit_code
    return describe_bug(exc), TocsinError.exit_code


def describe_bug(exc: Exception) -> str:
    """Return the line of an unexpected exception, which is a bug of Tocsin."""
    what = " ".join(str(exc).split())
    return f"internal error: {type(exc).__name__}: {what} (run again with --debug and report it)"
