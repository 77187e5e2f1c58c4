"""`run`, `demo` and `listen`: the service from the command line."""

from __future__ import annotations

import itertools
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

import httpx
import pytest

from edge import cli
from edge.cli import live
from edge.cli.common import parse_sources, set_up_service_log
from edge.errors import UsageError
from edge.settings.tree import Logging

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Tocsin


@pytest.fixture
def _own_node(home: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give this process its own home and a free port; restore its log at the end."""
    for name, value in home.items():
        monkeypatch.setenv(name, value)
    for name in [name for name in os.environ if name.startswith("TOCSIN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TOCSIN_API__PORT", "0")
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.mark.usefixtures("_own_node")
def test_demo_once(
    horn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It plays the scene in real time, prints and stores the events, and ends with 0."""
    monkeypatch.setattr(live, "street_path", lambda: horn)
    assert cli.main(["demo", "--once"]) == 0
    captured = capsys.readouterr()
    lines = [line.split() for line in captured.out.splitlines() if " begins " in line or " ends " in line]
    assert [(words[2], words[3]) for words in lines] == [("horn", "begins"), ("horn", "ends")]
    assert 2.2 <= float(lines[0][0]) <= 3.4  # two honks, from 2.5 to 3.5 s
    assert "no broker" in captured.err
    assert "dashboard and API on http://127.0.0.1:" in captured.err
    assert "from another computer: ssh -L" in captured.out
    assert "tocsin.events" not in captured.err
    assert (tmp_path / "state" / "tocsin" / "demo" / "tocsin.db").exists()


def test_demo_as_asked(home: dict[str, str], horn: Path, free_port: int, tmp_path: Path) -> None:
    """Sources, port and token can be chosen; the address is printed with an SSH tunnel."""
    (tmp_path / "token").write_text("sesame-open-now\n")
    options = ["--source", f"a=file:{horn}", "--source", f"b=file:{horn}?speed=max", "--once"]
    command = [sys.executable, "-m", "edge", "demo", *options, "--port", str(free_port)]
    with subprocess.Popen(
        [*command, "--token-file", str(tmp_path / "token")],
        env={**home, "TOCSIN_MQTT__ENABLED": "false"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline().startswith(f"Playing file:{horn}, file:{horn}?speed=max; history in")
        tunnel = f"ssh -L {free_port}:localhost:{free_port} "
        early = list(itertools.takewhile(lambda line: tunnel not in line, process.stdout))  # of the source at max
        url = f"http://127.0.0.1:{free_port}/sources"
        assert httpx.get(url).status_code == 401
        answer = httpx.get(url, headers={"Authorization": "Bearer sesame-open-now"})
        assert [item["name"] for item in answer.json()["items"]] == ["a", "b"]
        said, log = process.communicate(timeout=20)
    assert process.returncode == 0
    assert {tuple(line.split()[2:5]) for line in [*early, *said.splitlines()]} == {
        (source, "horn", word) for source in "ab" for word in ("begins", "ends")
    }
    assert "tocsin.events" not in log


def test_a_demo_for_all_needs_a_token(tocsin: Tocsin) -> None:
    """A public dashboard without a token, and an invalid port, are wrong usage."""
    for words, advice in ((("--host", "0.0.0.0"), "--token-file FILE"), (("--port", "65536"), "65535")):
        answer = tocsin("demo", "--once", *words)
        assert (answer.returncode, answer.stdout, answer.stderr.count("\n")) == (64, "", 1)
        assert advice in answer.stderr


@pytest.mark.usefixtures("_own_node")
def test_listen_in_a_pipe(horn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints one event per line, ends with its sources, and leaves no files."""
    assert cli.main(["listen", "--source", f"corner=file:{horn}?speed=4"]) == 0
    words = [line.split()[1:4] for line in capsys.readouterr().out.splitlines()]
    assert ["corner", "horn", "start"] in words
    assert not (tmp_path / "state").exists()


def test_listen_on_a_terminal(home: dict[str, str], horn: Path) -> None:
    """The display shows level and scores."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "edge", "listen", "--source", f"file:{horn}"]
    with subprocess.Popen(command, env={**home, "TERM": "xterm"}, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        drawn = b""
        try:
            while part := os.read(ours, 4096):
                drawn += part
        except OSError:  # how a terminal says that the other side is gone
            os.close(ours)
    assert process.returncode == 0
    assert b"level" in drawn
    assert b"dB" in drawn
    assert "█".encode() in drawn
    assert b"horn" in drawn


def test_run_until_sigterm(home: dict[str, str], horn: Path) -> None:
    """It serves what --source names, and SIGTERM ends it with 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {**home, "TOCSIN_API__PORT": str(port), "TOCSIN_MQTT__ENABLED": "false", "TOCSIN_LOGGING__FORMAT": "json"}
    command = [sys.executable, "-m", "edge", "run", "--source", f"corner=file:{horn}?loop=1"]
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        lines = (json.loads(line) for line in process.stderr)
        assert any("dashboard and API" in line["message"] for line in lines)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/sources", timeout=5) as answer:
            assert "corner" in answer.read().decode()
        told = (line["message"] for line in lines if line["logger"] == "tocsin.events")
        assert next(told).startswith("source corner: horn begins, score 0.")
        assert re.fullmatch(r"source corner: horn ends after \d\.\d s, peak score 0\.\d\d", next(told))
        process.send_signal(signal.SIGTERM)
        assert all(line["level"] == "info" for line in lines)
        assert process.wait(10) == 0


def test_names_of_sources() -> None:
    """A source has the given name, else that of its kind with a number if needed."""
    sources = parse_sources(["mic", "door=mic:usb-1.2", "udp://:5005", "udp://:5006", "file:a=b.wav"])
    assert [source.name for source in sources] == ["mic", "door", "udp", "udp-2", "file"]
    with pytest.raises(UsageError, match="two sources are called a"):
        parse_sources(["a=mic", "a=udp://:1"])


def test_a_source_keeps_the_limits_of_names() -> None:
    """A longer name is wrong usage; the path of a file has only the system's limits."""
    with pytest.raises(UsageError, match="the name must be 1 to 64 of"):
        parse_sources([f"{'a' * 65}=mic"])
    assert parse_sources(["file:a\nb"])[0].spec == "file:a\nb"


@pytest.mark.usefixtures("_own_node")
def test_log_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Text lines have a time unless the journal adds it; JSON is one object per line, with exceptions."""
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    log = logging.getLogger("tocsin.test")
    set_up_service_log(Logging(level="info"))
    log.info("hello %s", "street")
    log.debug("unheard")
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    set_up_service_log(Logging(level="warning"))
    log.warning("hello")
    set_up_service_log(Logging(format="json"))
    try:
        1 / 0  # noqa: B018 - any exception will do
    except ZeroDivisionError:
        log.exception("oh")
    first, second, third = capsys.readouterr().err.splitlines()
    assert first.endswith(" INFO tocsin.test: hello street")
    assert first[:2] == "20"
    assert second == "WARNING tocsin.test: hello"
    record = json.loads(third)
    assert (record["level"], record["logger"], record["message"]) == ("error", "tocsin.test", "oh")
    assert "ZeroDivisionError" in record["exception"]
