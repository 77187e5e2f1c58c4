"""Output as it is: names of any bytes, any encoding, closed streams, and readers that leave."""

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
from edge.jsontext import encoded
from edge.pipeline import clip
from edge.settings.secrets import masked
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
    """Return a folder with a recording under each name, and one that is none under a bad name."""
    folder = tmp_path / "names"
    folder.mkdir()
    for name in NAMES:
        os.link(horn, os.path.join(os.fsencode(folder), name))  # noqa: PTH118 - bytes
    with open(os.path.join(os.fsencode(folder), b"junk\n\xfe.wav"), "wb") as file:  # noqa: PTH118, PTH123 - bytes
        file.write(b"no sound")
    return folder


@pytest.mark.parametrize("env", ENCODINGS, ids=lambda env: next(iter(env.values())))
def test_any_name_in_any_encoding(home: dict[str, str], names: Path, env: dict[str, str]) -> None:
    """Each recording has its line in the table and its object in JSON, which leads back to the file."""
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
    """A configuration, which is text in lines, cannot name them all."""
    (source,) = common.sources_of([f"file:{names}/{name}?speed=max"])
    played = make_source(parse_source(source.spec), 16_000)
    played.open()
    assert played.read()
    played.close()
    shown = masked(Settings().model_copy(update={"sources": (source,)}))["sources"][0]["spec"]
    assert json.loads(encoded(shown)) == source.spec.replace("\udcff", "\ufffd")


def test_what_is_said_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Such as the words of a bundle that somebody made; its lines stay, and JSON stays JSON."""
    common.say("made by \x1b]0;me\x07\nand \x9b31m you")
    common.say_json({"by": "\x1b\x85"})
    first, second, third = capsys.readouterr().out.split("\n")[:3]
    assert (first, second) == ("made by \\x1b]0;me\\x07", "and \\x9b31m you")
    assert json.loads(third) == {"by": "\x1b\x85"}


def test_an_error_with_such_a_name_is_one_line(tocsin: Tocsin) -> None:
    """Whatever the name of what is missing has in it."""
    for arguments in (("replay", "no\n\x1b]0;.wav"), ("classify", "no\nsuch"), ("run", "--source", "tape\n:x")):
        answer = tocsin(*arguments)
        assert answer.stderr.count("\n") == 1
        assert "\x1b" not in answer.stderr


def test_a_fault_with_one_recording_costs_no_other(
    horn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also what nobody foresaw: the others have their lines, and it is said which recording it was."""
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


def test_what_is_interrupted_has_its_table(
    horn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C after the first recording shows the first recording."""

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
    """Quietly, with the code of SIGPIPE, whichever thread was to write next."""
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
    """Nobody wants to hear it; and no file that is opened later takes their numbers."""
    script = 'exec "$@" <&- >&- 2>&-'
    command = ["sh", "-c", script, "sh", sys.executable, "-m", "edge", *words]
    assert subprocess.run(command, env=home, check=False).returncode == 0


def test_another_thread_stops_the_main_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails on a thread is met by the main thread, after the signal that stops a service."""
    got = threading.Event()
    previous = signal.signal(signal.SIGTERM, lambda *_: got.set())
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        with open(theirs, "w", encoding="utf-8") as broken, monkeypatch.context() as patch:  # noqa: PTH123
            patch.setattr(sys, "stdout", broken)
            terminal.prepare()
            thread = threading.Thread(target=common.say, args=("hello",))
            thread.start()
            thread.join()
            assert got.wait(5)
            common.say("nothing more is tried")
            with pytest.raises(BrokenPipeError):
                terminal.check()
    finally:
        signal.signal(signal.SIGTERM, previous)
        terminal.prepare()
