"""Starting a program with an argument list; no shell is involved."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from edge.actions.occasion import Attempt, Occasion, fill, values
from edge.errors import ActionFailed
from edge.jsontext import dumps

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping

    from edge.settings.actions import CommandAction

_TAIL_BYTES = 4096  # of the output, for its last line
_LINE_CHARS = 200
_PIPE_BYTES = 1 << 16  # what Linux holds in a pipe: one read at the end takes all that was said
_LOOK_S = 0.1  # how often the time is looked at
_OURS = ("TOCSIN_", "NOTIFY_SOCKET", "WATCHDOG_", "CREDENTIALS_DIRECTORY")


class CommandAttempt(Attempt):
    """One run of a program; it is killed with all that it started when its time is up or `abort` is set."""

    def __init__(self, action: CommandAction, node: str, abort: threading.Event) -> None:
        """Take what to run."""
        self.tries, self.expire_s = action.tries, action.expire_s
        self._action, self._node, self._abort = action, node, abort

    def __call__(self, occasion: Occasion, left_s: float) -> None:  # noqa: ARG002 - it may end later than that
        """Run it to its end; raises `ActionFailed` for an exit code that is not 0."""
        command = [fill(part, occasion, self._node) for part in self._action.command]
        try:
            process = subprocess.Popen(  # noqa: S603 - what the configuration says, and no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=self._action.working_dir,
                env=_environment(os.environ, occasion, self._node),
                start_new_session=True,  # its group is all that it starts
            )
        except OSError as exc:
            msg, remedy = f"the program does not start: {exc.strerror}", "check the action's command and working_dir"
            raise ActionFailed(msg, where=exc.filename or command[0], remedy=remedy, again=False) from exc
        with process:
            try:
                said = self._watch(process)
            except BaseException:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
        if process.returncode:
            raise ActionFailed(_outcome(process.returncode, said))

    def _watch(self, process: subprocess.Popen[bytes]) -> bytes:
        """Return the last of the output at the end of the program, which may leave others behind that hold it open.

        Raises `ActionFailed` when it takes too long.
        """
        assert process.stdout is not None  # noqa: S101 - it was asked for
        deadline_s = time.monotonic() + self._action.timeout_s
        output, end, tail = process.stdout.fileno(), os.pidfd_open(process.pid), b""
        try:
            poll = select.poll()
            poll.register(output, select.POLLIN)
            poll.register(end, select.POLLIN)
            while True:
                ready = dict(poll.poll(_LOOK_S * 1000.0))
                if output in ready:
                    chunk = os.read(output, _PIPE_BYTES)
                    tail = (tail + chunk)[-_TAIL_BYTES:]
                    if not chunk:
                        poll.unregister(output)
                if end in ready:
                    return tail
                if self._abort.is_set():
                    msg = "the service stopped and killed the program"
                    raise ActionFailed(msg, again=False)
                if time.monotonic() > deadline_s:
                    msg = f"the program was killed after {self._action.timeout_s:g} s"
                    raise ActionFailed(msg, remedy="raise the action's timeout_s if it needs longer")
        finally:
            os.close(end)


def _environment(own: Mapping[str, str], occasion: Occasion, node: str) -> dict[str, str]:
    """Return the service's environment without its own settings and secrets, and with the occasion."""
    told = {
        **values(occasion, node),
        "confidence": f"{occasion.confidence:.3f}",
        "intervals_ms": dumps(occasion.intervals_ms),
    }
    kept = {name: value for name, value in own.items() if not name.startswith(_OURS)}
    return kept | {f"TOCSIN_{name.upper()}": value for name, value in told.items()}


def _outcome(code: int, said: bytes) -> str:
    how = f"the program ended with exit code {code}" if code > 0 else f"signal {-code} ended the program"
    lines = said.decode("utf-8", "replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")
    return f"{how}: {''.join(sign for sign in last if sign.isprintable())[:_LINE_CHARS]}"
