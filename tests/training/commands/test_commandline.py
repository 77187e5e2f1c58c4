"""The boundary of `python -m training` and `python -m export`: exit codes, lines and tracebacks."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from edge.errors import ConfigError, DataError, UsageError
from training.commands.commandline import Command, run_command
from training.learn.interrupts import Interrupted

if TYPE_CHECKING:
    import argparse


def run(error: BaseException | None, *arguments: str) -> int:
    """Run a command that raises an error."""

    def go(_: argparse.Namespace) -> None:
        if error is not None:
            raise error

    return run_command("prog", "Go.", {"go": Command("go on", lambda _: None, go)}, arguments or ("go",))


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UsageError("--seeds: 0"), 64, "--seeds: 0"),
        (DataError("x.csv: no rows"), 65, "x.csv: no rows"),
        (DataError("x.pt: not whole:\nat byte 9"), 65, "x.pt: not whole: at byte 9"),
        (ConfigError("train.steps: 0"), 78, "train.steps: 0"),
        (Interrupted("stopped at step 2"), 75, "stopped at step 2"),
        (FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "x.csv"), 66, "x.csv: there is no such file"),
        (IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), "x"), 66, "x: it cannot be opened: Is a directory"),
        (PermissionError(errno.EACCES, "Permission denied", "x.csv"), 77, "x.csv: permission denied; change its"),
        (
            OSError(errno.ENOSPC, "No space left on device", "x.pt"),
            74,
            "x.pt: it cannot be written: No space left on device",
        ),
        (KeyboardInterrupt(), 130, ""),
        (None, 0, ""),
    ],
)
def test_a_fault_of_the_user_is_one_line(
    error: BaseException | None, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its exit code is the one of sysexits(3), and no traceback is shown."""
    assert run(error) == code
    line = capsys.readouterr().err
    assert line.startswith(f"prog: {said}" if said else "")
    assert line.count("\n") == bool(said)


@pytest.mark.parametrize("error", [ValueError("shapes (3,) (4,)\ndiffer"), KeyError("labels"), RuntimeError("size")])
def test_a_bug_is_an_internal_error(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    """Any other error, a `ValueError` of NumPy too, is an internal error of one line with the way to learn more."""
    assert run(error) == 70
    line = capsys.readouterr().err
    assert line.startswith(f"prog: internal error: {type(error).__name__}: ")
    assert line.endswith("(run again with --debug and report it)\n")
    assert line.count("\n") == 1


@pytest.mark.parametrize("arguments", [("--debug", "go"), ("go", "--debug")])
@pytest.mark.parametrize(("error", "code"), [(ValueError("shapes differ"), 70), (DataError("x.csv: no rows"), 65)])
def test_debug_shows_the_traceback(
    arguments: tuple[str, ...], error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wherever the option stands, and the exit code stays."""
    assert run(error, *arguments) == code
    line = capsys.readouterr().err
    assert line.startswith("Traceback (most recent call last):")
    assert "raise error" in line


@pytest.mark.parametrize("arguments", [("come",), ("go", "--far"), ()])
def test_what_cannot_be_understood_is_an_error_of_usage(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """The usage is shown, and the status is that of sysexits(3)."""
    commands = {"go": Command("go on", lambda _: None, lambda _: None)}
    with pytest.raises(SystemExit) as ended:
        run_command("prog", "Go.", commands, arguments)
    assert ended.value.code == 64
    assert capsys.readouterr().err.startswith("usage: prog")


@pytest.mark.parametrize("package", ["training", "export"])
def test_help_loads_no_torch(package: str) -> None:
    """It answers at once, and names `--debug`."""
    code = textwrap.dedent(f"""
        import contextlib, sys
        from {package}.__main__ import COMMANDS, main
        for arguments in ([], *([name] for name in COMMANDS)):
            with contextlib.suppress(SystemExit):
                main([*arguments, "--help"])
        assert not {{"torch", "onnx", "onnxruntime"}} & set(sys.modules)
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "--debug" in done.stdout
