"""Errors: their fields, their line, and the conversion of system errors."""

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
def test_the_line_has_the_given_fields(where: str, remedy: str, line: str) -> None:
    """A missing field leaves no separator."""
    error = DataError("it is empty", where=where, remedy=remedy)
    assert (str(error), error.exit_code) == (line, 65)
    assert describe_error(error) == (line, 65)


def test_the_fields_survive_a_copy() -> None:
    """The additional fields of a class and a pickle between processes count as well."""
    error = ActionFailed("it answered 503", where="http://x", remedy="wait", again=False, wait_s=3.0)
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301 - our own
        assert vars(other) == vars(error)
        assert str(other) == str(error)


def test_several_problems_are_one_error() -> None:
    """Its line is the first with the number of the others; a single problem is unchanged."""
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
    [(["siren", "horn"], "did you mean 'siren'?"), (["dog", "cat"], "known are dog, cat"), ([], "none is defined")],
)
def test_the_remedy_for_an_unknown_name_has_known_ones(known: list[str], remedy: str) -> None:
    """It is the nearest one, or all of them."""
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
def test_a_system_error_has_its_class(number: int, kind: type[TocsinError], line: str) -> None:
    """All code that opens a file reports the same error."""
    error = from_os_error(OSError(number, os.strerror(number), "x"))
    assert type(error) is kind
    assert str(error) == line


def test_a_system_error_can_be_a_configuration_error() -> None:
    """A missing file of the configuration is a wrong value."""
    error = from_os_error(FileNotFoundError(), "api.token_file: t", missing=ConfigError, kind=ConfigError)
    assert (type(error), str(error)) == (ConfigError, "api.token_file: t: there is no such file")
