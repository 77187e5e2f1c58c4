"""A private PulseAudio whose null sink is the default microphone."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

HAVE_PULSE = all(shutil.which(tool) for tool in ("pulseaudio", "paplay", "pactl"))
_START_S = 10.0


class Pulse:
    """A PulseAudio daemon beside any other; a context manager.

    With `env` a process uses it: ALSA's default device is then the sink's monitor.
    """

    def __init__(self, rate_hz: int = 48_000, channels: int = 2) -> None:
        """Choose the sink's format; nothing is started yet."""
        self._format = f"rate={rate_hz} channels={channels}"
        self._folder: Path | None = None
        self._daemon: subprocess.Popen[bytes] | None = None

    @property
    def env(self) -> dict[str, str]:
        """Environment variables of a process that uses this daemon."""
        return {
            "PULSE_SERVER": f"unix:{self._home / 'native'}",
            "PULSE_RUNTIME_PATH": str(self._home / "runtime"),
            "PULSE_COOKIE": str(self._home / "cookie"),
            "XDG_RUNTIME_DIR": str(self._home),
        }

    @property
    def _home(self) -> Path:
        if self._folder is None:
            msg = "this PulseAudio has not been entered"
            raise RuntimeError(msg)
        return self._folder

    def __enter__(self) -> Self:
        """Make the daemon's folder and start it."""
        self._folder = Path(tempfile.mkdtemp(prefix="tocsin-pulse-"))
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the daemon and remove its folder."""
        self.stop()
        shutil.rmtree(self._home, ignore_errors=True)
        self._folder = None

    def start(self) -> None:
        """Start the daemon, on the same socket as before, and wait until it answers."""
        environment = {**os.environ, **self.env, "HOME": str(self._home)}
        socket = self._home / "native"
        socket.unlink(missing_ok=True)
        log = (self._home / "log").open("ab")
        with log:
            self._daemon = subprocess.Popen(
                [
                    *("pulseaudio", "--daemonize=no", "--system=false", "--exit-idle-time=-1", "--use-pid-file=no"),
                    *("--disable-shm=yes", "--realtime=no", "--high-priority=no", "-n"),
                    *("-L", f"module-native-protocol-unix socket={socket} auth-anonymous=1"),
                    *("-L", f"module-null-sink sink_name=tocsin norewinds=1 {self._format}"),
                ],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _START_S
        while not self._answers():
            if self._daemon.poll() is not None or time.monotonic() > deadline:
                msg = f"PulseAudio did not start: {(self._home / 'log').read_text()[-500:]}"
                raise RuntimeError(msg)
            time.sleep(0.02)
        self._control("set-default-source", "tocsin.monitor")

    def stop(self) -> None:
        """Stop the daemon at once, as if the sound system had died."""
        if self._daemon is not None:
            self._daemon.kill()
            self._daemon.wait()
            self._daemon = None

    def play(self, path: Path, *, latency_ms: int = 20) -> subprocess.Popen[bytes]:
        """Start to play a sound file into the sink; the caller waits for the process."""
        return subprocess.Popen(
            ["paplay", f"--latency-msec={latency_ms}", "--device=tocsin", str(path)], env={**os.environ, **self.env}
        )

    def _answers(self) -> bool:
        return (self._home / "native").exists() and self._control("info", check=False) == 0

    def _control(self, *arguments: str, check: bool = True) -> int:
        return subprocess.run(
            ["pactl", *arguments],
            env={**os.environ, **self.env},
            check=check,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=5,
        ).returncode
