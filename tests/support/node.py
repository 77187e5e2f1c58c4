"""A `tocsin run` process with a configuration in a temporary folder."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

START_S = 20.0


def free_port() -> int:
    """Return a free port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RunningNode:
    """A `tocsin run` process; a context manager that stops it."""

    def __init__(
        self,
        folder: Path,
        *sources: str,
        mqtt_port: int | None = None,
        env: Mapping[str, str] | None = None,
        only_env: Mapping[str, str] | None = None,
        config: str = "",
    ) -> None:
        """Take source specs (named s0, s1, …) and further TOML; nothing runs yet.

        `env` is added to this process's environment; `only_env` takes its place.
        """
        self.folder, self.port = folder, free_port()
        self.log_path = folder / "log"
        lines = ['[node]\nid = "bench"', f"[api]\nport = {self.port}", f'[storage]\npath = "{folder / "state"}"']
        lines += [f"[mqtt]\nenabled = {str(mqtt_port is not None).lower()}\nport = {mqtt_port or 1883}"]
        lines += [f'[[sources]]\nname = "s{i}"\nspec = "{spec}"' for i, spec in enumerate(sources)]
        (folder / "tocsin.toml").write_text("\n".join([*lines, config]), encoding="utf-8")
        self._env = {**(os.environ if only_env is None else only_env), **(env or {})}
        self.process: subprocess.Popen[bytes] | None = None
        self.started_s = 0.0

    def __enter__(self) -> Self:
        """Start, and wait until the API answers."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop as systemd would."""
        self.stop()

    def start(self, *, prefix: tuple[str, ...] = (), stdin: int = subprocess.DEVNULL) -> None:
        """Start the process, through `prefix` such as taskset, and wait until it is alive."""
        self.launch(prefix=prefix, stdin=stdin)
        self.wait_for("/livez")

    def launch(self, *, prefix: tuple[str, ...] = (), stdin: int = subprocess.DEVNULL) -> None:
        """Start the process without waiting."""
        self.started_s = time.monotonic()
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "edge", "run", "--config", str(self.folder / "tocsin.toml")],
                env=self._env,
                stdin=stdin,
                stdout=log,
                stderr=log,
            )

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()  # a node that does not stop must not trouble the tests after this one
            raise

    def kill(self) -> None:
        """Kill the process, as the out-of-memory killer would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def get(self, path: str) -> Any:
        """Return the answer of a route: JSON, else text."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            body = answer.read().decode()
        return json.loads(body) if body[:1] in "[{" else body

    def wait_for(self, path: str, timeout_s: float = START_S) -> None:
        """Wait until a route answers without an error."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                self.get(path)
            except (OSError, urllib.error.URLError) as exc:
                assert self.process is not None
                if self.process.poll() is not None or time.monotonic() > deadline:
                    msg = f"{path} does not answer: {exc}\n{self.log_path.read_text()[-2000:]}"
                    raise RuntimeError(msg) from exc
                time.sleep(0.02)
            else:
                return

    def wait_for_windows(self, wanted: int, timeout_s: float = START_S) -> None:
        """Wait until a number of windows have been scored."""
        deadline = time.monotonic() + timeout_s
        while self.metric("tocsin_windows_total") < wanted:
            assert time.monotonic() < deadline, self.log_path.read_text()[-2000:]
            time.sleep(0.05)

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples with these labels."""
        total = 0.0
        for line in self.get("/metrics").splitlines():
            head, _, value = line.rpartition(" ")
            if head.partition("{")[0] == name and all(f'{key}="{text}"' in head for key, text in labels.items()):
                total += float(value)
        return total

    def cpu_s(self) -> float:
        """Return the processor seconds of the process and its children."""
        assert self.process is not None
        return sum(_cpu_s(pid) for pid in _family(self.process.pid))

    def rss_mb(self) -> float:
        """Return the resident memory of the process and its children in MiB."""
        assert self.process is not None
        return sum(_rss_kb(pid) for pid in _family(self.process.pid)) / 1024


def _family(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:  # noqa: PTH123
        return [pid, *(member for child in file.read().split() for member in _family(int(child)))]


def _cpu_s(pid: int) -> float:
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:  # noqa: PTH123
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss_kb(pid: int) -> int:
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:  # noqa: PTH123
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
