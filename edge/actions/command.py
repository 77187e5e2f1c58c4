"""Command actions: a program with an argument list, without a shell."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from edge.actions.trigger import Executor, Trigger, fill, make_placeholders
from edge.errors import ActionFailed
from edge.jsontext import dumps

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping

    from edge.settings.actions import CommandAction

_TAIL_BYTES = 4096  # of the output, for its last line
_LINE_CHARS = 200
_PIPE_BYTES = 1 << 16  # the capacity of a pipe on Linux: one read at the end takes all the output
_CHECK_S = 0.1  # how often the time is checked
_OURS = ("TOCSIN_", "NOTIFY_SOCKET", "WATCHDOG_", "CREDENTIALS_DIRECTORY")


class CommandExecutor(Executor):
    """Executor of a program; a timeout or `abort` kills it and its children."""

    def __init__(self, action: CommandAction, node: str, abort: threading.Event) -> None:
        """Take the action, and the event that aborts it."""
        self.tries, self.expire_s = action.tries, action.expire_s
        self._action, self._node, self._abort = action, node, abort

    def __call__(self, trigger: Trigger, left_s: float) -> None:  # noqa: ARG002 - it may end later than that
        """Run the program to its end; raises `ActionFailed` for an exit code other than 0."""
        command = [fill(part, trigger, self._node) for part in self._action.command]
        try:
            process = subprocess.Popen(  # noqa: S603 - from the configuration, without a shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=self._action.working_dir,
                env=_make_environment(os.environ, trigger, self._node),
                start_new_session=True,  # a process group of its own, with all children
            )
        except OSError as exc:
            msg, remedy = f"the program does not start: {exc.strerror}", "check the action's command and working_dir"
            raise ActionFailed(msg, where=exc.filename or command[0], remedy=remedy, again=False) from exc
        with process:
            try:
                output = self._watch(process)
            except BaseException:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
        if process.returncode:
            raise ActionFailed(_describe_outcome(process.returncode, output))

    def _watch(self, process: subprocess.Popen[bytes]) -> bytes:
        """Wait for the end of the program and return the end of its output.

        Its children may still hold the output open. Raises `ActionFailed` after the timeout.
        """
        assert process.stdout is not None  # noqa: S101 - set by stdout=PIPE
        deadline_s = time.monotonic() + self._action.timeout_s
        output, end, tail = process.stdout.fileno(), os.pidfd_open(process.pid), b""
        try:
            poll = select.poll()
            poll.register(output, select.POLLIN)
            poll.register(end, select.POLLIN)
            while True:
                ready = dict(poll.poll(_CHECK_S * 1000.0))
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


def _make_environment(own: Mapping[str, str], trigger: Trigger, node: str) -> dict[str, str]:
    """Return the service's environment with the trigger, without its own settings and secrets."""
    details = {
        **make_placeholders(trigger, node),
        "confidence": f"{trigger.confidence:.3f}",
        "intervals_ms": dumps(trigger.intervals_ms),
    }
    kept = {name: value for name, value in own.items() if not name.startswith(_OURS)}
    return kept | {f"TOCSIN_{name.upper()}": value for name, value in details.items()}


def _describe_outcome(code: int, output: bytes) -> str:
    how = f"the program ended with exit code {code}" if code > 0 else f"signal {-code} ended the program"
    lines = output.decode("utf-8", "replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")
    return f"{how}: {''.join(sign for sign in last if sign.isprintable())[:_LINE_CHARS]}"
