"""The entry point: start-up time, imports and errors."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer

import edge
from edge import cli
from edge.cli import app
from edge.errors import StorageError

if TYPE_CHECKING:
    from tests.cli.conftest import Tocsin

COMMANDS = ("run", "demo", "classify", "replay", "listen", "devices", "doctor", "bench", "config", "model")


def test_help_is_quick(tocsin: Tocsin) -> None:
    """The help appears within 0.3 s (best of three, as the machine may be busy)."""

    def seconds() -> float:
        begin = time.perf_counter()
        assert tocsin("--help").returncode == 0
        return time.perf_counter() - begin

    assert min(seconds() for _ in range(3)) < 0.3


def test_help_loads_nothing_heavy(home: dict[str, str]) -> None:
    """The help imports no network, sound, array, validation or web library."""
    command = [sys.executable, "-X", "importtime", "-m", "edge", "--help"]
    answer = subprocess.run(command, env=home, capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in answer.stderr.splitlines()}
    assert "typer" in loaded
    assert not loaded & {"onnxruntime", "sounddevice", "numpy", "pydantic", "fastapi", "rich", "paho", "soundfile"}


def test_help_names_every_command(tocsin: Tocsin) -> None:
    """The help lists every command, and each has a help of its own."""
    answer = tocsin("--help").stdout
    assert all(f"  {command} " in answer for command in COMMANDS)
    assert "Usage: tocsin replay" in tocsin("replay", "-h").stdout


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("tocsin cla", ["classify", "claps"]),
        ("tocsin model ver", ["verify"]),
        ("tocsin demo --to", ["--token", "--token-file"]),
    ],
)
def test_the_shell_completes(tocsin: Tocsin, home: dict[str, str], line: str, offered: list[str]) -> None:
    """Commands and options are completed, and no file is written."""
    asked = {"_TOCSIN_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    assert tocsin(env=asked).stdout.split() == offered
    # The parent process decides for which shell the script is; `; true` keeps bash from becoming Tocsin itself.
    command = f"{sys.executable} -m edge --show-completion bash; true"
    environ = {**os.environ, **home}
    script = subprocess.run(["bash", "-c", command], env=environ, capture_output=True, text=True, check=True)
    assert "complete -o default -F _tocsin_completion tocsin" in script.stdout
    assert list(Path(home["HOME"]).iterdir()) == []


def test_a_missing_permission_is_77(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """An unexpected `PermissionError` gives a line with the file."""

    def fail() -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "/etc/bashrc")

    monkeypatch.setattr(app, "app", make_app(fail))
    assert cli.main([]) == 77
    assert capsys.readouterr().err == "tocsin: /etc/bashrc: permission denied; change its permissions\n"


def test_version(tocsin: Tocsin) -> None:
    """The version is printed."""
    assert tocsin("--version").stdout == f"tocsin {edge.__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("bogus",),
        ("--bogus",),
        ("classify",),
        ("classify", "a.wav", "--top-k", "0"),
        ("classify", "a.wav", "--top-k", "many"),
        ("replay", "a.wav", "--speed", "fast"),
        ("replay", "a.wav", "--speed", "-1"),
        ("replay", "a.wav", "--source-name", "Main Street"),
        ("replay", "a.wav", "--source-name", ""),
        ("classify", "a.wav", "--hop", "nan"),
        ("classify", "a.wav", "--hop", "inf"),
        ("run", "--source", "tape:1"),
        ("run", "--source", "a=pcm:-", "--source", "b=pcm:-"),
        ("run", "--source", "a=udp://:5005", "--source", "b=udp://127.0.0.1:5005"),
        ("run", "--source", "a=mic", "--source", "a=udp://:5005"),
        ("config", "bogus"),
        ("model", "info", "a", "b"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_64(tocsin: Tocsin, arguments: tuple[str, ...]) -> None:
    """Wrong usage gives one line on standard error and no output."""
    answer = tocsin(*arguments)
    assert answer.returncode == 64
    assert answer.stdout == ""
    assert "Traceback" not in answer.stderr
    if arguments:
        assert answer.stderr.startswith("tocsin: ")
        assert answer.stderr.count("\n") == 1


def test_a_foreseen_error_is_one_line_with_its_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An expected error gives its message and exit code; --debug raises it."""

    def fail() -> None:
        msg = "the disk is full"
        raise StorageError(msg)

    monkeypatch.setattr(app, "app", make_app(fail))
    assert cli.main([]) == 74
    assert capsys.readouterr().err == "tocsin: the disk is full\n"
    with pytest.raises(StorageError):
        cli.main(["--debug"])


def test_an_unforeseen_error_is_70(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """An internal error is one line and names --debug."""

    def fail() -> None:
        msg = "two\nlines"
        raise RuntimeError(msg)

    monkeypatch.setattr(app, "app", make_app(fail))
    assert cli.main([]) == 70
    said = capsys.readouterr().err
    assert said.startswith("tocsin: internal error: RuntimeError: two lines (")
    assert "--debug" in said
    with pytest.raises(RuntimeError):
        cli.main(["--debug"])


def test_ctrl_c_is_quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """An interrupted command prints nothing and returns 130."""

    def fail() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(app, "app", make_app(fail))
    assert cli.main([]) == 130
    assert capsys.readouterr() == ("", "")


def make_app(function: object) -> typer.Typer:
    single = typer.Typer()
    single.command()(function)  # type: ignore[type-var]
    return single


def test_a_reader_that_leaves_is_no_error(home: dict[str, str]) -> None:
    """`tocsin config schema | head` ends without a message."""
    with subprocess.Popen(
        [sys.executable, "-m", "edge", "config", "schema"], env=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(20) == 141


@pytest.mark.parametrize("words", [("--version",), ("--help",), ("config", "schema"), ("model", "list")], ids=" ".join)
def test_a_full_disk_is_74(home: dict[str, str], words: tuple[str, ...]) -> None:
    """Output that cannot be written gives one line on standard error, for every command."""
    with open("/dev/full", "w", encoding="ascii") as full:  # noqa: PTH123 - a device
        answer = subprocess.run(
            [sys.executable, "-m", "edge", *words],
            env=home,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert answer.returncode == 74
    assert answer.stderr == "tocsin: output: it cannot be written: No space left on device; make room on the disk\n"


@pytest.mark.parametrize("text", ["[mqtt]\nhots = 'a'", "[mqtt", None])
def test_bad_configuration_is_78(tocsin: Tocsin, tmp_path: Path, text: str | None) -> None:
    """Every command that reads the configuration ends with one line that names the file."""
    path = tmp_path / "tocsin.toml"
    if text is not None:
        path.write_text(text)
    for words in (("run",), ("demo", "--once"), ("config", "check"), ("classify", "x.wav"), ("model", "list")):
        answer = tocsin(*words, "--config", path)
        assert answer.returncode == 78
        assert answer.stderr.startswith(f"tocsin: {path}")
        assert answer.stderr.count("\n") == 1
