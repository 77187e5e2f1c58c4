"""Programs that patterns start, with real ones."""

from __future__ import annotations

import json
import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.actions.conftest import action, occasion
from tests.support.listener import until

if TYPE_CHECKING:
    from pathlib import Path


def command(*arguments: str, **values: Any) -> Any:
    return action(type="command", command=arguments, **values)


def test_arguments_and_environment_tell_of_the_occasion(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other signs stay as they are, no shell reads them, and the service's secrets stay at home."""
    monkeypatch.setenv("TOCSIN_MQTT__PASSWORD", "secret")
    script = (
        "import json, os, sys; json.dump([sys.argv[2:], dict(os.environ), sys.stdin.read()], open(sys.argv[1], 'w'))"
    )
    given = ("$event on $source of $node", '{"a": "$5; `id` $(id)"}')
    done = bench(run=command(sys.executable, "-c", script, "out", *given, working_dir=tmp_path))
    assert done.why("run") == ""
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


def test_a_program_that_fails_is_tried_again_and_its_last_line_is_said_once(
    bench: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The second try finds what the first left behind."""
    failing = bench(run=command("sh", "-c", "echo one; echo two >&2; exit 3", tries=3))
    assert failing.why("run") == "the program ended with exit code 3: two"
    assert [record.getMessage() for record in caplog.records] == [
        "action run: the program ended with exit code 3: two; tried again",
        "action run: the program ended with exit code 3: two; given up after 3 tries",
    ]
    assert failing.counts("run") == (0, 1, 0)
    flag = tmp_path / "flag"
    mending = bench(run=command("sh", "-c", f"test -e {flag} || {{ touch {flag}; exit 1; }}"))
    assert mending.why("run") == ""


def test_one_that_takes_too_long_is_killed_with_all_that_it_started(bench: Any, tmp_path: Path) -> None:
    """The shell's child, too."""
    script = f"sleep 600 & echo $! > {tmp_path}/child; wait"
    late = bench(run=command("sh", "-c", script, timeout_s=0.5, tries=1))
    assert late.why("run") == "the program was killed after 0.5 s; raise the action's timeout_s if it needs longer"
    child = int((tmp_path / "child").read_text())
    until(lambda: not running(child))


def running(pid: int) -> bool:
    """Return whether a process runs; one that nobody has reaped yet does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_one_that_leaves_a_daemon_behind_is_over_when_it_ends(bench: Any) -> None:
    """Although the daemon holds its output open."""
    begin_s = time.monotonic()
    assert bench(run=command("sh", "-c", "sleep 3 & exit 0")).why("run") == ""
    assert time.monotonic() - begin_s < 2.5


def test_endless_output_fills_no_memory(bench: Any) -> None:
    """It is read, and all but its end forgotten."""
    why = bench(run=command("sh", "-c", "head -c 20000000 /dev/zero; echo; echo end; exit 1", tries=1)).why("run")
    assert why == "the program ended with exit code 1: end"


@pytest.mark.parametrize("values", [{"command": ["/no/such"]}, {"command": ["true"], "working_dir": "/no/such"}])
def test_what_is_not_there_is_named_and_not_tried_again(bench: Any, values: Any) -> None:
    """Program or folder."""
    why = bench(run=action(type="command", tries=20, **values)).why("run")
    assert (
        why
        == "/no/such: the program does not start: No such file or directory; check the action's command and working_dir"
    )


def test_what_happened_too_long_ago_is_not_begun(bench: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing switches minutes later."""
    old = occasion()
    old = occasion(time=old.time - timedelta(seconds=31))
    late = bench(run=command("true", expire_s=30))
    assert late.why("run", old) == "double is older than the action's expire_s"
    assert "given up after 0 tries" in caplog.text


def test_a_stop_kills_what_does_not_end_and_drops_what_waits(
    bench: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And says both."""
    slow = bench(run=command("sh", "-c", f"touch {tmp_path}/begun; exec sleep 600", timeout_s=600))
    slow.runner.trigger(["run"], occasion())
    until((tmp_path / "begun").exists)
    slow.runner.trigger(["run", "run"], occasion())
    slow.runner.stop(0.1)
    slow.runner.trigger(["run"], occasion())
    assert slow.result() == "the service stopped and killed the program"
    assert "action run: 2 dropped, because the service stopped" in caplog.text
    assert slow.counts("run") == (0, 1, 3)
