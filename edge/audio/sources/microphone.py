"""A microphone as a source: a child process that writes into shared memory, watched from outside."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import mmap
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.audio.sources.hotplug import RetryGate
from edge.audio.sources.ready import readable
from edge.audio.sources.ring import HEADER_BYTES, Ring
from edge.audio.sources.s16 import floats_from_s16
from edge.audio.sources.source import Chunk
from edge.errors import SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger("tocsin.audio")

_RING_BYTES = HEADER_BYTES + (1 << 19)  # 5 s of 48 kHz mono
_OPEN_S = 10.0
_STALL_S = 1.5
_ANSWER_BYTES = 1 << 16

_REASONS = {
    "no-sounddevice": ("the Python package sounddevice is missing", "pip install sounddevice"),
    "no-portaudio": ("the PortAudio library is missing", "apt install libportaudio2"),
    "no-device": ("there is no such microphone", "'tocsin devices' lists the microphones"),
    "busy": (
        "another program uses the microphone",
        "close that program, or let both go through PulseAudio or PipeWire",
    ),
    "permission": ("this user may not use the sound devices", "add the user to the group audio"),
}
"""What is wrong, and the remedy, for each kind of error of the capture process."""


def start_child(*arguments: str, descriptors: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    """Start the capture process; it lives until its standard input is closed."""
    # Without `site` it starts in a third of the time; it is told where this process finds its packages.
    # The root as working directory keeps what lies in the current one from being imported.
    paths = [str(Path(path).resolve()) for path in (str(Path(__file__).parents[3]), *sys.path) if path]
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-s", "-S", "-m", "edge.audio.sources.capture_child", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # ALSA's chatter about every plugin that is not there
        pass_fds=descriptors,
        bufsize=0,
        cwd="/",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"},
    )


def end_child(child: subprocess.Popen[bytes]) -> None:
    """End the capture process at once: it may hang in the sound system, and has nothing to tidy up."""
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.close()


def reason(answer: dict[str, Any], wanted: str | None = None) -> tuple[str, str]:
    """Return what is wrong, and the remedy, for an error that the child answered."""
    kind, text = str(answer.get("error")), str(answer.get("text", ""))
    if kind == "no-device" and wanted is None and not text:
        return "there is no microphone", "plug one in"
    if kind == "no-device" and wanted is not None:
        return f"there is no microphone {wanted!r}", f"there are {text}" if text else "plug it in"
    return _REASONS.get(kind) or (f"the microphone cannot be opened: {text}", "")


def alike(wanted: str, ids: Sequence[str]) -> str:
    """Return the line for people about microphones that match what is wanted equally well, the opened one first."""
    return f"mic:{wanted} matches {len(ids)} microphones, {', '.join(ids)}; the first is used, write which one is meant"


class MicrophoneSource:
    """The default microphone, or the one of a stable id, at a rate it has itself."""

    live = True
    clocked = True
    stall_s = math.inf  # it watches itself

    def __init__(self, wanted: str | None = None) -> None:
        """Take the id; nothing is started yet."""
        self._wanted = wanted
        self._gate, self._refusal = RetryGate(), ("", "")
        self.rate_hz = 0
        self.device = wanted or "default microphone"
        self._alike: list[str] = []
        self._channels = 1
        self._child: subprocess.Popen[bytes] | None = None
        self._memory: mmap.mmap | None = None
        self._ring: Ring | None = None
        self._head, self._overflows, self._heard_s, self._flows = b"", 0, 0.0, False

    def open(self) -> None:
        """Start the child; what it found is told by `read`.

        When it would find what it found last time, `SourceUnavailable` says so at once.
        """
        what, remedy = self._refusal
        if not self._gate.allows(time.monotonic()) and what:
            raise SourceUnavailable(what, remedy=remedy)
        self._head, self._overflows, self._refusal, self._flows = b"", 0, ("", ""), False
        descriptor = os.memfd_create("tocsin-ring", os.MFD_CLOEXEC)
        try:
            os.ftruncate(descriptor, _RING_BYTES)
            self._memory = mmap.mmap(descriptor, _RING_BYTES)
            wanted = [] if self._wanted is None else [self._wanted]
            self._child = start_child("open", str(descriptor), *wanted, descriptors=[descriptor])
        except OSError as exc:
            msg = f"the capture process does not start: {exc.strerror}"
            raise SourceUnavailable(msg) from exc
        finally:
            os.close(descriptor)
        self._heard_s = time.monotonic()

    def read(self) -> Chunk | None:
        """Return what was captured; `SourceUnavailable` when the microphone is not there, or was lost."""
        if self._child is None or self._child.stdout is None:
            return None
        descriptor = self._child.stdout.fileno()
        now_s = time.monotonic()
        if readable(descriptor):
            self._heard_s = now_s
            ticks = os.read(descriptor, _ANSWER_BYTES)
            if not ticks:
                msg = "the capture process ended"
                raise SourceUnavailable(msg)
            if self._ring is None or b"{" in ticks:
                self._listen(ticks)
        elif now_s - self._heard_s > (_STALL_S if self._flows else _OPEN_S):
            raise SourceUnavailable(self._silence())
        return self._take()

    def close(self) -> None:
        """End the child and free the memory."""
        child, self._child = self._child, None
        if child is not None:
            end_child(child)
        if self._ring is not None:
            self._ring.close()
            self._ring = None
        if self._memory is not None:
            self._memory.close()
            self._memory = None

    def _silence(self) -> str:
        if self._ring is None:
            return "the sound system does not answer"
        return "the microphone has stopped sending" if self._flows else "the microphone is open, but sends nothing"

    def _listen(self, data: bytes) -> None:
        """Take a line of the child's: what it opened, or why it could not."""
        self._head += data
        while (end := self._head.find(b"\n")) >= 0:
            line, self._head = self._head[:end].lstrip(b"."), self._head[end + 1 :]
            with contextlib.suppress(ValueError):
                self._understand(json.loads(line))

    def _understand(self, answer: dict[str, Any]) -> None:
        if "error" in answer:
            if self._ring is not None:
                msg = f"the microphone was lost: {answer.get('text')}"
                raise SourceUnavailable(msg)
            self._refusal = what, remedy = reason(answer, self._wanted)
            raise SourceUnavailable(what, remedy=remedy)
        if self._memory is None:
            return
        self.rate_hz, self._channels = answer["rate_hz"], answer["channels"]
        self.device = answer["device"]
        self._say_alike(answer["alike"])
        self._gate.reset()
        self._ring = Ring(self._memory, 2 * self._channels)

    def _say_alike(self, ids: list[str]) -> None:
        """Say, once, which microphones match what is wanted equally well."""
        if ids and ids != self._alike:
            log.warning("%s", alike(self._wanted or "", ids))
        self._alike = ids

    def _take(self) -> Chunk:
        if self._ring is None:
            return Chunk(np.empty(0, np.float32))
        data, lost = self._ring.read()
        if not data:
            return Chunk(np.empty(0, np.float32))
        self._flows = True  # from now on a pause is a loss; before, a sound system may still be waking up
        overflows = self._ring.overflows
        if overflows > self._overflows:
            self._overflows = overflows
            lost = max(lost, 1)  # the sound system does not say how many; at least one
        return Chunk(floats_from_s16(data, self._channels), lost)
