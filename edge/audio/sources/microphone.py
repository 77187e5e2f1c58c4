"""Source of a microphone, through a child process that writes into shared memory."""

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
from edge.audio.sources.ready import wait_readable
from edge.audio.sources.ring import HEADER_BYTES, Ring
from edge.audio.sources.s16 import floats_from_s16
from edge.audio.sources.source import Chunk
from edge.errors import SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger("tocsin.audio")

_RING_BYTES = HEADER_BYTES + (1 << 19)  # 5 s of mono at 48 kHz
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
    """Start the capture process; it runs until its standard input is closed."""
    # Without `site` it starts in a third of the time; it gets the package paths of this process instead.
    # The root as working directory prevents imports from the current directory.
    paths = [str(Path(path).resolve()) for path in (str(Path(__file__).parents[3]), *sys.path) if path]
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-s", "-S", "-m", "edge.audio.sources.capture_child", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # messages of ALSA about every missing plugin
        pass_fds=descriptors,
        bufsize=0,
        cwd="/",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"},
    )


def end_child(child: subprocess.Popen[bytes]) -> None:
    """Kill the capture process: it may hang in the sound system, and needs no clean-up."""
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.close()


def explain_error(answer: dict[str, Any], wanted: str | None = None) -> tuple[str, str]:
    """Return the message and the remedy for an error from the child."""
    kind, text = str(answer.get("error")), str(answer.get("text", ""))
    if kind == "no-device" and wanted is None and not text:
        return "there is no microphone", "plug one in"
    if kind == "no-device" and wanted is not None:
        return f"there is no microphone {wanted!r}", f"there are {text}" if text else "plug it in"
    return _REASONS.get(kind) or (f"the microphone cannot be opened: {text}", "")


def describe_ambiguity(wanted: str, ids: Sequence[str]) -> str:
    """Return the message about several microphones that match equally well.

    The first of the ids is the one that is opened.
    """
    return f"mic:{wanted} matches {len(ids)} microphones, {', '.join(ids)}; the first is used, write which one is meant"


class MicrophoneSource:
    """Source of the default microphone or one with a stable id, at its own rate."""

    live = True
    clocked = True
    stall_s = math.inf  # `read` itself detects a stall

    def __init__(self, wanted: str | None = None) -> None:
        """Take the id; no process is started yet."""
        self._wanted = wanted
        self._gate, self._refusal = RetryGate(), ("", "")
        self.rate_hz = 0
        self.device = wanted or "default microphone"
        self._ambiguous_ids: list[str] = []
        self._channels = 1
        self._child: subprocess.Popen[bytes] | None = None
        self._memory: mmap.mmap | None = None
        self._ring: Ring | None = None
        self._answer_part, self._overflows, self._last_sound_s, self._has_delivered = b"", 0, 0.0, False

    def open(self) -> None:
        """Start the child; an error of the microphone is raised by `read`.

        Raises the last `SourceUnavailable` again, without a child, while the gate allows no attempt.
        """
        what, remedy = self._refusal
        if not self._gate.allows(time.monotonic()) and what:
            raise SourceUnavailable(what, remedy=remedy)
        self._answer_part, self._overflows, self._refusal, self._has_delivered = b"", 0, ("", ""), False
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
        self._last_sound_s = time.monotonic()

    def read(self) -> Chunk | None:
        """Return the new samples.

        Raises `SourceUnavailable` if the microphone is missing or was lost.
        """
        if self._child is None or self._child.stdout is None:
            return None
        descriptor = self._child.stdout.fileno()
        now_s = time.monotonic()
        if wait_readable(descriptor):
            self._last_sound_s = now_s
            ticks = os.read(descriptor, _ANSWER_BYTES)
            if not ticks:
                msg = "the capture process ended"
                raise SourceUnavailable(msg)
            if self._ring is None or b"{" in ticks:
                self._read_answers(ticks)
        elif now_s - self._last_sound_s > (_STALL_S if self._has_delivered else _OPEN_S):
            raise SourceUnavailable(self._describe_silence())
        return self._read_ring()

    def close(self) -> None:
        """Kill the child and free the memory."""
        child, self._child = self._child, None
        if child is not None:
            end_child(child)
        if self._ring is not None:
            self._ring.close()
            self._ring = None
        if self._memory is not None:
            self._memory.close()
            self._memory = None

    def _describe_silence(self) -> str:
        if self._ring is None:
            return "the sound system does not answer"
        if self._has_delivered:
            return "the microphone has stopped sending"
        return "the microphone is open, but sends nothing"

    def _read_answers(self, data: bytes) -> None:
        """Read answers of the child: the opened device, or an error."""
        self._answer_part += data
        while (end := self._answer_part.find(b"\n")) >= 0:
            line, self._answer_part = self._answer_part[:end].lstrip(b"."), self._answer_part[end + 1 :]
            with contextlib.suppress(ValueError):
                self._handle_answer(json.loads(line))

    def _handle_answer(self, answer: dict[str, Any]) -> None:
        if "error" in answer:
            if self._ring is not None:
                msg = f"the microphone was lost: {answer.get('text')}"
                raise SourceUnavailable(msg)
            self._refusal = what, remedy = explain_error(answer, self._wanted)
            raise SourceUnavailable(what, remedy=remedy)
        if self._memory is None:
            return
        self.rate_hz, self._channels = answer["rate_hz"], answer["channels"]
        self.device = answer["device"]
        self._warn_ambiguous(answer["ambiguous"])
        self._gate.reset()
        self._ring = Ring(self._memory, 2 * self._channels)

    def _warn_ambiguous(self, ids: list[str]) -> None:
        """Log once that several microphones match equally well."""
        if ids and ids != self._ambiguous_ids:
            log.warning("%s", describe_ambiguity(self._wanted or "", ids))
        self._ambiguous_ids = ids

    def _read_ring(self) -> Chunk:
        if self._ring is None:
            return Chunk(np.empty(0, np.float32))
        data, lost = self._ring.read()
        if not data:
            return Chunk(np.empty(0, np.float32))
        self._has_delivered = True  # from now on a pause is a loss; before, the sound system may still be starting
        overflows = self._ring.overflows
        if overflows > self._overflows:
            self._overflows = overflows
            lost = max(lost, 1)  # the sound system does not report the number; it is at least one
        return Chunk(floats_from_s16(data, self._channels), lost)
