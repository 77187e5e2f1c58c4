"""Error output of a program: its last lines, and the one with the reason."""

from __future__ import annotations

import os
import re
from typing import IO

from edge.settings.address import mask

_KEPT_BYTES = 4096
_READ_BYTES = 1 << 16
_MESSAGE_CHARACTERS = 200
_POINTER = re.compile(
    r" @ 0x[0-9a-f]+"
)  # address of a component: it differs in each run, so each message would seem new
_NO_SOUND = re.compile(r"matches no streams|does not contain any stream")
# Lines after the reason, or without one.
_UNINFORMATIVE = re.compile(
    r"^(?:To ignore this|Failed to set value|Conversion failed|Exiting)"
    r"|^Error (?:opening|parsing options for) (?:in|out)put"
)
# The message of ffmpeg for every failed connection; the line before it, of the component, is more specific.
_VAGUE = re.compile(r": (?:Input/output error|Immediate exit requested)$")
_CONNECTION = re.compile(r"^\[(?:tcp|udp|tls|https?|httpproxy|rtsp)\b")


class ErrorOutput:
    """Last lines of a program's error output, in bounded memory."""

    def __init__(self) -> None:
        """Start without a pipe."""
        self._pipe: IO[bytes] | None = None
        self._kept = b""

    def attach(self, pipe: IO[bytes] | None) -> None:
        """Read from this pipe from now on, and forget earlier output."""
        self._pipe, self._kept = pipe, b""
        if pipe is not None:
            os.set_blocking(pipe.fileno(), False)

    def drain(self) -> None:
        """Read the new output without waiting, because a full pipe would block the program."""
        while self._pipe is not None:
            try:
                data = os.read(self._pipe.fileno(), _READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                return
            self._kept = (self._kept + data)[-_KEPT_BYTES:]

    def close(self) -> None:
        """Close the pipe."""
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None

    def reports_loss(self, url: str) -> bool:
        """Return whether the last line reports a broken connection to `url`."""
        last = self._find_informative_lines()[-1]
        return last.startswith(url) or "during demuxing" in last

    def reports_no_sound(self) -> bool:
        """Return whether the program reports a stream without sound."""
        return bool(_NO_SOUND.search(self._decode()))

    def explain(self) -> str:
        """Return the reason for the end of the program, in one short line without secrets.

        It is empty if there was no output.
        """
        *_, before, last = ("", *self._find_informative_lines())
        informative = before if _VAGUE.search(last) and _CONNECTION.match(before) else last
        said = _POINTER.sub("", mask(informative))[:_MESSAGE_CHARACTERS]
        return f"ffmpeg says {said!r}" if said else ""

    def _decode(self) -> str:
        return self._kept.decode(errors="replace").strip()

    def _find_informative_lines(self) -> list[str]:
        """Return the informative lines, at least one; they may contain a password."""
        lines = [line.strip() for line in self._decode().splitlines()]
        return [line for line in lines if not _UNINFORMATIVE.match(line)] or lines[-1:] or [""]
