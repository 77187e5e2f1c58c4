"""Stop of a node: at any moment, in time, and with parts that hang."""

from __future__ import annotations

import contextlib
import io
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest
import soundfile as sf

from edge.data import street_path
from edge.errors import ConfigError, Unavailable
from edge.node import service
from edge.node.signals import Signals
from edge.node.stopping import Deadline, end_process
from edge.settings.tree import Settings
from tests.support.listener import until
from tests.support.node import RunningNode, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
HOURS = {"TOCSIN_API__MAX_CLIP_S": "50000"}
STOP_S = 10.0  # the documented limit
QUIET = "[away]\nenabled = false\n[claps]\nenabled = false\n"


@contextlib.contextmanager
def busy_threads(count: int) -> Iterator[None]:
    """Run threads that compute all the time, as sources and the engine do."""
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            sum(range(1000))

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def test_a_signal_is_noticed_at_any_time() -> None:
    """It may arrive before the wait, at its start or during it, with other threads busy."""
    draw = random.Random(5)
    sent = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    with Signals() as signals, busy_threads(2):
        for n in range(60):
            number = sent[n % 3]
            timer = threading.Timer(draw.uniform(0.0, 0.002), os.kill, (os.getpid(), number))
            timer.start()
            assert signals.wait(10.0) == number
            timer.join()
        assert signals.wait(0.0) is None


def test_a_signal_in_another_thread_ends_the_wait() -> None:
    """The kernel may deliver it to any thread, which does not interrupt the main one."""

    def raise_here() -> None:
        time.sleep(0.05)
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    with Signals() as signals:
        thread = threading.Thread(target=raise_here)
        thread.start()
        assert signals.wait(10.0) == signal.SIGTERM
        thread.join()


def test_signal_handlers_are_restored() -> None:
    """A program that runs a service gets its own handlers back."""
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    pipe = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(pipe)
    with Signals():
        assert signal.getsignal(signal.SIGTERM) != before[0]
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)] == before
    assert signal.set_wakeup_fd(pipe) == pipe


def test_a_suspended_node_receives_a_signal(tmp_path: Path) -> None:
    """SIGTERM arrives while it is suspended, as by job control or a frozen container."""
    with RunningNode(tmp_path, f"udp://127.0.0.1:{free_port()}", config=QUIET) as node:
        assert node.process is not None
        for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGCONT):
            node.process.send_signal(number)
            time.sleep(0.1)  # the kernel needs time to suspend it and to queue the signal
        assert node.process.wait(STOP_S) == 0
    assert "without waiting" not in node.log_path.read_text()


def upload_hours(node: RunningNode) -> None:
    """Upload a small recording that takes long to classify; return once that has begun."""
    body = io.BytesIO()
    with sf.SoundFile(body, "w", 8000, 1, format="FLAC") as file:
        for _ in range(8 * 60):
            file.write(np.zeros(60 * 8000, np.int16))

    def send() -> None:
        with contextlib.suppress(httpx.HTTPError):
            httpx.post(f"http://127.0.0.1:{node.port}/classify", content=body.getvalue(), timeout=30.0)

    threading.Thread(target=send, daemon=True).start()
    until(lambda: node.metric("tocsin_classify_uploads") == 1)
    before_s = node.cpu_s()
    until(lambda: node.cpu_s() > before_s + 0.5)


def test_a_node_with_hanging_parts_stops_in_time(tmp_path: Path) -> None:
    """Sources that hang at opening, a broker that never answers, and an upload, all at once."""
    os.mkfifo(tmp_path / "pipe.wav")
    with socket.create_server(("127.0.0.1", 0)) as mute:  # accepts connections and never answers
        sources = [f"file:{tmp_path}/pipe.wav"] * 6
        with RunningNode(tmp_path, *sources, mqtt_port=mute.getsockname()[1], config=QUIET, env=HOURS) as node:
            upload_hours(node)
            begin_s = time.monotonic()
            assert node.stop() == 0
            assert time.monotonic() - begin_s < STOP_S
    log = node.log_path.read_text()
    assert re.search(r"ended without waiting for .*source-s5.*tocsin-classify", log)
    assert "Traceback" not in log


def test_parts_are_stopped_in_parallel(caplog: pytest.LogCaptureFixture) -> None:
    """A part that hangs is named, one that fails is logged, and the others end."""
    ended = threading.Event()
    hangs = threading.Event()

    def fail() -> None:
        raise OSError

    begin_s = time.monotonic()
    parts: dict[str, Callable[[], object]] = {"one": hangs.wait, "two": hangs.wait, "three": fail, "four": ended.set}
    Deadline(0.3).stop_in_parallel(parts, 5.0)
    assert 0.3 <= time.monotonic() - begin_s < 0.9
    hangs.set()
    assert ended.is_set()
    lines = sorted(record.getMessage() for record in caplog.records)
    assert lines == [
        "the service stops without waiting for its one any longer",
        "the service stops without waiting for its two any longer",
        "three could not be stopped",
    ]


def test_the_process_ends_with_a_running_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that end in time or are older than the service do not matter; the exit code is kept."""
    hangs, codes = threading.Event(), list[int]()
    monkeypatch.setattr("os._exit", codes.append)
    older = threading.Thread(target=hangs.wait)
    older.start()
    before = set(threading.enumerate())
    brief = threading.Thread(target=time.sleep, args=(0.05,))
    brief.start()
    assert end_process(0, before) == 0
    assert codes == []
    stuck = threading.Thread(target=hangs.wait, daemon=True)
    stuck.start()
    end_process(3, before)
    assert codes == [3]
    hangs.set()
    for thread in (older, brief, stuck):
        thread.join()


def test_a_node_with_a_taken_port_runs_and_serves_once_it_is_free(tmp_path: Path) -> None:
    """The other program may only be slow to end."""
    node = RunningNode(tmp_path, f"udp://127.0.0.1:{free_port()}", config=QUIET)
    with socket.create_server(("127.0.0.1", node.port)):
        node.launch()
        until(lambda: "the node runs without dashboard and API" in node.log_path.read_text())
    try:
        node.wait_for("/livez")
        assert node.log_path.read_text().count("another program uses port") == 1
    finally:
        assert node.stop() == 0


def test_a_node_retries_its_web_server_and_logs_each_reason_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """First a name does not resolve, then the port is taken, then it works."""
    reasons = ["no address", "no address", "port taken", "port taken"]

    def serve(*_: object, **__: object) -> None:
        if reasons:
            raise Unavailable(reasons.pop(0))

    class Stub:
        settings = Settings()

    monkeypatch.setattr(service, "_serve", serve)
    monkeypatch.setattr(service, "_WEB_FIRST_S", 0.01)
    web = service._Web(Stub(), any_port=False)  # type: ignore[arg-type]
    web.serve()
    while web.wait_s is not None:
        time.sleep(web.wait_s)
        web.serve()
    assert [record.getMessage().partition(";")[0] for record in caplog.records] == ["no address", "port taken"]


def test_a_failed_reload_keeps_the_settings(caplog: pytest.LogCaptureFixture) -> None:
    """A wrong file gives a line, a bug a traceback in the log; neither ends the service."""

    def reread(error: Exception) -> Settings:
        raise error

    for error in (ConfigError("wrong"), RuntimeError("a fault")):
        service._reload(None, lambda error=error: reread(error))  # type: ignore[arg-type,misc]
    assert [record.exc_info is None for record in caplog.records] == [True, False]
    assert all("the old one stays" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("others", [(), ("scene",)])
def test_an_ended_pipe_ends_the_service(tmp_path: Path, others: tuple[str, ...]) -> None:
    """The exit code is 69, so that the pipe is restarted; an ended recording does not matter."""
    sf.write(tmp_path / "scene.wav", np.zeros(8_000), 16_000)
    sources = [f"file:{tmp_path}/{name}.wav" for name in others]
    command = [sys.executable, "-m", "edge", "run", "--source", "pipe=pcm:-"]
    command += [word for spec in sources for word in ("--source", f"other={spec}")]
    env = {**os.environ, "TOCSIN_STORAGE__PATH": str(tmp_path), "TOCSIN_API__ENABLED": "false"}
    env["TOCSIN_MQTT__ENABLED"] = "false"
    answer = subprocess.run(
        command, env=env, input=bytes(32_000), capture_output=True, timeout=30, check=False, cwd=ROOT
    )
    assert answer.returncode == 69
    assert b"source pipe: standard input has ended, and no other source is left" in answer.stderr


def test_an_ended_pipe_leaves_the_other_sources(tmp_path: Path) -> None:
    """The node goes on with its other sources, and logs the lost one."""
    with RunningNode(tmp_path, "pcm:-", f"file:{street_path()}?loop=1") as node:
        until(lambda: node.get("/sources")["items"][0]["detail"] == "standard input has ended")
        node.wait_for("/readyz")
        assert "lost until the next start: standard input has ended" in node.log_path.read_text(encoding="utf-8")
        assert node.stop() == 0
