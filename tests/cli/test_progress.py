"""Progress bars: on standard error, and only on a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from edge.cli import progress

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def replay_with_terminal(horn: Path, home: dict[str, str]) -> tuple[list[str], bytes]:
    """Return the lines of standard output (a pipe) and the bytes of standard error (a terminal)."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "edge", "replay", "--speed", "1.5", str(horn)]
    env = {**home, "TERM": "xterm"}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=theirs, text=True) as process:
        os.close(theirs)
        assert process.stdout
        lines = process.stdout.read().splitlines()
        drawn = b""
        try:
            while part := os.read(ours, 4096):
                drawn += part
        except OSError:  # how a terminal says that the other side is gone
            os.close(ours)
    assert process.returncode == 0
    return lines, drawn


def test_a_bar_on_the_terminal_and_events_in_the_pipe(home: dict[str, str], horn: Path) -> None:
    """A command of more than a second shows a bar, and the pipe receives only events."""
    lines, drawn = replay_with_terminal(horn, home)
    assert b"replaying" in drawn
    assert json.loads(lines[0])["subject"] == "horn"


def test_no_bar_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal nothing is drawn."""
    with progress.show_progress("working", shown=True) as on_progress:
        on_progress(1.0, None)
    assert capsys.readouterr() == ("", "")
