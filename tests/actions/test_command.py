"""Command actions with real programs."""

from __future__ import annotations

import json
import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.actions.conftest import action, trigger
from tests.support.listener import until

if TYPE_CHECKING:
    from pathlib import Path


def command(*arguments: str, **values: Any) -> Any:
    return action(type="command", command=arguments, **values)


def test_arguments_and_environment_hold_the_trigger(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other characters stay unchanged, no shell reads them, and the service's secrets are left out."""
    monkeypatch.setenv("TOCSIN_MQTT__PASSWORD", "secret")
    script = (
        "import json, os, sys; json.dump([sys.argv[2:], dict(os.environ), sys.stdin.read()], open(sys.argv[1], 'w'))"
    )
    given = ("$event on $source of $node", '{"a": "$5; `id` $(id)"}')
    done = bench(run=command(sys.executable, "-c", script, "out", *given, working_dir=tmp_path))
    assert done.run("run") == ""
    arguments, environment, read = json.loads((tmp_path / "out").read_text())
    assert arguments == ["double on mic of lamp", '{"a": "$5; `id` $(id)"}']
    told = {name: value for name, value in environment.items() if name.startswith("TOCSIN_")}
    assert told.pop("TOCSIN_TIME").endswith("Z")
    assert told == {
        "TOCSIN_EVENT": "double",
        "TOCSIN_SOURCE": "mic",
        "TOCSIN_NODE": "lamp",
        "TOCSIN_CONFIDENCE": "0.912",
        "TOCSIN_INTERVALS_MS": "[310]",
    }
    assert read == ""
    assert done.counts("run") == (1, 0, 0)


def test_a_failing_program_is_tried_again_and_its_last_line_is_logged_once(
    bench: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The second try finds the file of the first."""
    failing = bench(run=command("sh", "-c", "echo one; echo two >&2; exit 3", tries=3))
    assert failing.run("run") == "the program ended with exit code 3: two"
    assert [record.getMessage() for record in caplog.records] == [
        "action run: the program ended with exit code 3: two; tried again",
        "action run: the program ended with exit code 3: two; given up after 3 tries",
    ]
    assert failing.counts("run") == (0, 1, 0)
    flag = tmp_path / "flag"
    mending = bench(run=command("sh", "-c", f"test -e {flag} || {{ touch {flag}; exit 1; }}"))
    assert mending.run("run") == ""


def test_a_program_that_takes_too_long_is_killed_with_its_children(bench: Any, tmp_path: Path) -> None:
    """Also the shell's child."""
    script = f"sleep 600 & echo $! > {tmp_path}/child; wait"
    late = bench(run=command("sh", "-c", script, timeout_s=0.5, tries=1))
    assert late.run("run") == "the program was killed after 0.5 s; raise the action's timeout_s if it needs longer"
    child = int((tmp_path / "child").read_text())
    until(lambda: not running(child))


def running(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_program_that_leaves_a_daemon_ends_by_itself(bench: Any) -> None:
    """Although the daemon holds its output open."""
    begin_s = time.monotonic()
    assert bench(run=command("sh", "-c", "sleep 3 & exit 0")).run("run") == ""
    assert time.monotonic() - begin_s < 2.5


def test_endless_output_fills_no_memory(bench: Any) -> None:
    """Only the end of the output is kept."""
    why = bench(run=command("sh", "-c", "head -c 20000000 /dev/zero; echo; echo end; exit 1", tries=1)).run("run")
    assert why == "the program ended with exit code 1: end"


@pytest.mark.parametrize("values", [{"command": ["/no/such"]}, {"command": ["true"], "working_dir": "/no/such"}])
def test_a_missing_program_is_named_and_not_tried_again(bench: Any, values: Any) -> None:
    """A missing program or folder is not tried again."""
    why = bench(run=action(type="command", tries=20, **values)).run("run")
    assert (
        why
        == "/no/such: the program does not start: No such file or directory; check the action's command and working_dir"
    )


def test_an_expired_trigger_is_not_executed(bench: Any, caplog: pytest.LogCaptureFixture) -> None:
    """An expired trigger is not executed."""
    old = trigger()
    old = trigger(time=old.time - timedelta(seconds=31))
    late = bench(run=command("true", expire_s=30))
    assert late.run("run", old) == "double is older than the action's expire_s"
    assert "given up after 0 tries" in caplog.text


def test_a_stop_kills_what_does_not_end_and_drops_what_waits(
    bench: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Both are logged."""
    slow = bench(run=command("sh", "-c", f"touch {tmp_path}/begun; exec sleep 600", timeout_s=600))
    slow.runner.run(["run"], trigger())
    until((tmp_path / "begun").exists)
    slow.runner.run(["run", "run"], trigger())
    slow.runner.stop(0.1)
    slow.runner.run(["run"], trigger())
    assert slow.result() == "the service stopped and killed the program"
    assert "action run: 2 triggers dropped because the service stopped" in caplog.text
    assert slow.counts("run") == (0, 1, 3)
