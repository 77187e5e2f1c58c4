"""List of microphones, from the capture process, so that PortAudio is not loaded here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.audio.sources.microphone import end_child, explain_error, start_child
from edge.audio.sources.ready import wait_readable
from edge.errors import Unavailable

if TYPE_CHECKING:
    import subprocess

_ANSWER_S = 15.0


@dataclass(frozen=True, slots=True)
class Microphone:
    """Input of the sound system."""

    id: str
    """The id to write after ``mic:``; it does not depend on other devices."""
    name: str
    channels: int
    rate_hz: int
    """Default rate in the sound system."""
    is_default: bool
    host_api: str


def list_microphones() -> list[Microphone]:
    """Return all inputs; raises `Unavailable` if PortAudio is missing or does not answer."""
    try:
        child = start_child("list")
    except OSError as exc:
        msg = f"the capture process does not start: {exc.strerror}"
        raise Unavailable(msg) from exc
    try:
        answer = json.loads(_read_line(child))  # the child's input stays open, because the child ends with it
    except ValueError as exc:
        msg = "the sound system does not answer"
        raise Unavailable(msg, remedy="check whether PulseAudio or PipeWire hangs") from exc
    finally:
        end_child(child)
    if "error" in answer:
        what, remedy = explain_error(answer)
        raise Unavailable(what, remedy=remedy)
    return [Microphone(**record) for record in answer["microphones"]]


def _read_line(child: subprocess.Popen[bytes]) -> bytes:
    pipe = child.stdout
    if pipe is None or not wait_readable(pipe.fileno(), _ANSWER_S):
        return b""
    return pipe.readline()
