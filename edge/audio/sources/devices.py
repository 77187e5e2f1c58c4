"""The microphones of this machine, asked from the capture process so that PortAudio is never loaded here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.audio.sources.microphone import end_child, reason, start_child
from edge.audio.sources.ready import readable
from edge.errors import Unavailable

if TYPE_CHECKING:
    import subprocess

_ANSWER_S = 15.0


@dataclass(frozen=True, slots=True)
class Microphone:
    """An input of the sound system."""

    id: str
    """What to write after ``mic:``; the same whatever else is plugged in."""
    name: str
    channels: int
    rate_hz: int
    """The rate that the sound system prefers for it."""
    is_default: bool
    host_api: str


def list_microphones() -> list[Microphone]:
    """Return the inputs there are; `Unavailable` when PortAudio is missing or does not answer."""
    try:
        child = start_child("list")
    except OSError as exc:
        msg = f"the capture process does not start: {exc.strerror}"
        raise Unavailable(msg) from exc
    try:
        answer = json.loads(_line(child))  # the child's input stays open meanwhile, for it ends with it
    except ValueError as exc:
        msg = "the sound system does not answer"
        raise Unavailable(msg, remedy="check whether PulseAudio or PipeWire hangs") from exc
    finally:
        end_child(child)
    if "error" in answer:
        what, remedy = reason(answer)
        raise Unavailable(what, remedy=remedy)
    return [Microphone(**record) for record in answer["microphones"]]


def _line(child: subprocess.Popen[bytes]) -> bytes:
    pipe = child.stdout
    if pipe is None or not readable(pipe.fileno(), _ANSWER_S):
        return b""
    return pipe.readline()
