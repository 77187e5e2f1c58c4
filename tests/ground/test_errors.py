"""Errors: their facts, their one line, and what becomes of errors of the system."""

from __future__ import annotations

import copy
import errno
import os
import pickle

import pytest

from edge.errors import (
    ActionFailed,
    ConfigError,
    DataError,
    Forbidden,
    InputMissing,
    StorageError,
    TocsinError,
    describe_error,
    from_os_error,
    join_problems,
    suggest,
)


@pytest.mark.parametrize(
    ("where", "remedy", "line"),
    [
        ("", "", "it is empty"),
        ("a.wav", "", "a.wav: it is empty"),
        ("", "record it again", "it is empty; record it again"),
        ("a.wav", "record it again", "a.wav: it is empty; record it again"),
    ],
)
def test_the_line_holds_what_is_known(where: str, remedy: str, line: str) -> None:
    """A part that is not there leaves no sign behind."""
    error = DataError("it is empty", where=where, remedy=remedy)
    assert (str(error), error.exit_code) == (line, 65)
    assert describe_error(error) == (line, 65)


def test_the_facts_survive_a_copy() -> None:
    """Also those of a class with more of them, and through a pickle, as between processes."""
    error = ActionFailed("it answered 503", where="http://x", remedy="wait", again=False, wait_s=3.0)
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301 - our own
        assert vars(other) == vars(error)
        assert str(other) == str(error)


def test_several_problems_are_one_error() -> None:
    """Its line is the first with the number of the others, and a single problem stays what it is."""
    first = Forbidden("permission denied", where="token", remedy="change its permissions")
    second = ConfigError("unknown key 'hots'", where="tocsin.toml:2", remedy="did you mean 'host'?")
    assert join_problems([first]) is first
    both = join_problems([first, second])
    assert isinstance(both, ConfigError)
    assert both.problems == (str(first), str(second))
    assert str(both) == f"{first} (and 1 more: see 'tocsin config check')"
    assert (both.where, both.remedy) == ("token", "change its permissions")


@pytest.mark.parametrize(
    ("known", "remedy"),
    [(["siren", "horn"], "did you mean 'siren'?"), (["dog", "cat"], "known are dog, cat"), ([], "there are none")],
)
def test_an_unknown_name_is_answered_with_known_ones(known: list[str], remedy: str) -> None:
    """The one that was meant, where one is near."""
    assert suggest("sirn", known) == remedy


@pytest.mark.parametrize(
    ("number", "kind", "line"),
    [
        (errno.ENOENT, InputMissing, "x: there is no such file"),
        (errno.ENOTDIR, InputMissing, "x: there is no such file"),
        (errno.EACCES, Forbidden, "x: permission denied; change its permissions"),
        (errno.ENOSPC, StorageError, "x: it cannot be read: No space left on device; make room on the disk"),
        (errno.EISDIR, DataError, "x: it cannot be read: Is a directory"),
    ],
)
def test_an_error_of_the_system_has_its_class(number: int, kind: type[TocsinError], line: str) -> None:
    """Whoever opens a file says the same of it."""
    error = from_os_error(OSError(number, os.strerror(number), "x"))
    assert type(error) is kind
    assert str(error) == line


def test_an_error_of_the_system_may_be_one_of_the_configuration() -> None:
    """Where a file is named there, one that is not there is a wrong value."""
    error = from_os_error(FileNotFoundError(), "api.token_file: t", missing=ConfigError, kind=ConfigError)
    assert (type(error), str(error)) == (ConfigError, "api.token_file: t: there is no such file")
