"""Output: names of any bytes, any encoding, closed streams and broken pipes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from edge import cli
from edge.audio.decode.recording import open_recording
from edge.audio.factory import make_source
from edge.cli import common, terminal
from edge.errors import TocsinError
from edge.jsontext import encode
from edge.pipeline import clip
from edge.settings.secrets import mask_settings
from edge.settings.source_spec import parse_source
from edge.settings.tree import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Tocsin

NAMES = (b"a\xff.wav", "b Zürich 🎺.wav".encode(), b"c\nline.wav", b"d\x1b[31m\t.wav", b"e.wav")
ENCODINGS = (
    {"PYTHONIOENCODING": "utf-8:strict"},
    {"PYTHONIOENCODING": "ascii:strict"},
    {"PYTHONIOENCODING": "latin-1:strict"},
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
)


@pytest.fixture
def names(horn: Path, tmp_path: Path) -> Path:
    """Return a folder with a recording under each name, and a text file under a bad name."""
    folder = tmp_path / "names"
    folder.mkdir()
    for name in NAMES:
        os.link(horn, os.path.join(os.fsencode(folder), name))  # noqa: PTH118 - bytes
    with open(os.path.join(os.fsencode(folder), b"junk\n\xfe.wav"), "wb") as file:  # noqa: PTH118, PTH123 - bytes
        file.write(b"no sound")
    return folder


@pytest.mark.parametrize("env", ENCODINGS, ids=lambda env: next(iter(env.values())))
def test_any_name_in_any_encoding(home: dict[str, str], names: Path, env: dict[str, str]) -> None:
    """Each recording has a line in the table and a JSON object with its path."""
    command = [sys.executable, "-m", "edge", "classify", str(names)]
    table = subprocess.run(command, env={**home, **env}, capture_output=True, check=False)
    assert table.returncode == 65
    assert table.stdout.count(b"\n") == 1 + len(NAMES)
    assert table.stdout.count(b"horn ") >= len(NAMES)
    assert b"\x1b" not in table.stdout
    assert table.stderr.startswith(b"tocsin: ")
    assert table.stderr.count(b"\n") == 1
    answer = subprocess.run([*command, "--json"], env={**home, **env}, capture_output=True, check=False)
    encoding = env.get("PYTHONIOENCODING", "ascii").partition(":")[0]
    paths = [json.loads(line.decode(encoding))["path"] for line in answer.stdout.splitlines()]
    if "LC_ALL" in env:  # where names are bytes that mean nothing
        assert len(paths) == len(NAMES)
    else:
        assert {os.fsencode(path) for path in paths} == {os.path.join(os.fsencode(names), n) for n in NAMES}  # noqa: PTH118


@pytest.mark.parametrize("name", [os.fsdecode(name) for name in NAMES[:4]], ids=ascii)
def test_a_source_of_the_command_line_is_any_file(names: Path, name: str) -> None:
    """The command line can name files that a configuration cannot."""
    (source,) = common.parse_sources([f"file:{names}/{name}?speed=max"])
    played = make_source(parse_source(source.spec), 16_000)
    played.open()
    assert played.read()
    played.close()
    shown = mask_settings(Settings().model_copy(update={"sources": (source,)}))["sources"][0]["spec"]
    assert json.loads(encode(shown)) == source.spec.replace("\udcff", "\ufffd")


def test_output_does_not_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters are escaped; line breaks of the text and JSON stay valid."""
    common.print_text("made by \x1b]0;me\x07\nand \x9b31m you")
    common.print_json({"by": "\x1b\x85"})
    first, second, third = capsys.readouterr().out.split("\n")[:3]
    assert (first, second) == ("made by \\x1b]0;me\\x07", "and \\x9b31m you")
    assert json.loads(third) == {"by": "\x1b\x85"}


def test_an_error_with_such_a_name_is_one_line(tocsin: Tocsin) -> None:
    """An error with any name is one line."""
    for arguments in (("replay", "no\n\x1b]0;.wav"), ("classify", "no\nsuch"), ("run", "--source", "tape\n:x")):
        answer = tocsin(*arguments)
        assert answer.stderr.count("\n") == 1
        assert "\x1b" not in answer.stderr


def test_a_fault_with_one_recording_costs_no_other(
    horn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An internal error names its recording, and the others are classified."""
    bad = tmp_path / "bad.wav"

    def failing(path: Path, **more: object) -> object:
        if path == bad:
            raise ZeroDivisionError
        return open_recording(path, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(clip, "open_recording", failing)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert cli.main(["classify", str(horn), str(bad), str(bad), str(horn)]) == 70
    said = capsys.readouterr()
    assert said.out.count("horn.wav") == 2
    assert said.err.count(f"tocsin: {bad}: internal error: ZeroDivisionError") == said.err.count("\n") == 2
    with pytest.raises(TocsinError) as raised:
        cli.main(["classify", str(bad), "--debug"])
    assert isinstance(raised.value.__cause__, ZeroDivisionError)


def test_an_interrupted_command_prints_its_results(
    horn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After Ctrl-C, the results so far are printed."""

    def stop(path: Path, **more: object) -> object:
        if path != horn:
            raise KeyboardInterrupt
        return open_recording(path, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(clip, "open_recording", stop)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert cli.main(["classify", str(horn), "other.wav"]) == 130
    assert "horn.wav" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ("classify", "--json", "{}", "{}", "{}"),
        ("replay", "{}", "--speed", "4"),
        ("listen", "--source", "file:{}?loop=1&speed=20"),
        ("claps", "test", "--source", "file:{}"),
    ],
    ids=lambda words: words[0],
)
def test_a_reader_that_leaves_ends_the_command(home: dict[str, str], horn: Path, words: tuple[str, ...]) -> None:
    """The command ends without a message and with the code of SIGPIPE, on any thread."""
    command = [sys.executable, "-m", "edge", *(word.format(horn) for word in words)]
    with subprocess.Popen(command, env=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(20) == 141
    assert b"Traceback" not in said
    assert b"ERROR" not in said


@pytest.mark.parametrize("words", [("config", "schema"), ("model", "list"), ("--version",)], ids=" ".join)
def test_closed_streams_are_no_error(home: dict[str, str], words: tuple[str, ...]) -> None:
    """Closed streams are replaced, so that no file gets their numbers."""
    script = 'exec "$@" <&- >&- 2>&-'
    command = ["sh", "-c", script, "sh", sys.executable, "-m", "edge", *words]
    assert subprocess.run(command, env=home, check=False).returncode == 0


def test_another_thread_stops_the_main_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed write on a thread sends SIGTERM to the main thread, which then raises the error."""
    got = threading.Event()
    previous = signal.signal(signal.SIGTERM, lambda *_: got.set())
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        with open(theirs, "w", encoding="utf-8") as broken, monkeypatch.context() as patch:  # noqa: PTH123
            patch.setattr(sys, "stdout", broken)
            terminal.prepare_streams()
            thread = threading.Thread(target=common.print_text, args=("hello",))
            thread.start()
            thread.join()
            assert got.wait(5)
            common.print_text("nothing more is tried")
            with pytest.raises(BrokenPipeError):
                terminal.raise_write_error()
    finally:
        signal.signal(signal.SIGTERM, previous)
        terminal.prepare_streams()
