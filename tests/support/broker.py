"""A real mosquitto on a free port of 127.0.0.1."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.node import free_port

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
_START_S = 10.0


class Broker:
    """A mosquitto process; a context manager. Its sessions survive `stop` and `start`."""

    def __init__(self, *, password: tuple[str, str] | None = None, tls: Path | None = None) -> None:
        """Ask for a user and password, or for TLS with the `ca.crt`, `server.crt` and `server.key` of a folder."""
        self.port = free_port()
        self._password, self._tls = password, tls
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Write the configuration and start."""
        self._folder = Path(tempfile.mkdtemp(prefix="tocsin-broker-"))
        lines = [
            f"listener {self.port} 127.0.0.1",
            "persistence true",
            f"persistence_location {self._folder}/",
            "max_queued_messages 0",
            "user root",
        ]
        if self._password is None:
            lines.append("allow_anonymous true")
        else:
            file = self._folder / "passwords"
            file.touch()
            subprocess.run(["mosquitto_passwd", "-b", str(file), *self._password], check=True, capture_output=True)
            lines += ["allow_anonymous false", f"password_file {file}"]
        if self._tls is not None:
            lines += [
                f"cafile {self._tls}/ca.crt",
                f"certfile {self._tls}/server.crt",
                f"keyfile {self._tls}/server.key",
            ]
        (self._folder / "mosquitto.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop and remove everything."""
        self.stop()
        shutil.rmtree(self._folder or "", ignore_errors=True)

    def allow(self, rules: str) -> None:
        """Apply access rules, in mosquitto's syntax, without a restart."""
        assert self._folder is not None
        assert self._process is not None
        conf, file = self._folder / "mosquitto.conf", self._folder / "rules"
        file.write_text(rules, encoding="utf-8")
        if f"acl_file {file}" not in conf.read_text(encoding="utf-8"):
            with conf.open("a", encoding="utf-8") as lines:
                lines.write(f"acl_file {file}\n")
        self._process.send_signal(signal.SIGHUP)

    def start(self) -> None:
        """Start on the same port, and wait until it listens."""
        assert MOSQUITTO is not None
        assert self._folder is not None
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [MOSQUITTO, "-c", str(self._folder / "mosquitto.conf")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError as exc:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    msg = f"mosquitto did not start: {(self._folder / 'log').read_text()}"
                    raise RuntimeError(msg) from exc
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Stop it as a service manager would: sessions are saved."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None
