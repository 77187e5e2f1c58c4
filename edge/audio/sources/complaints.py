"""What a program says on standard error: a bounded end of it, and the line that holds the reason."""

from __future__ import annotations

import os
import re
from typing import IO

from edge.settings.address import mask

_KEPT_BYTES = 4096
_READ_BYTES = 1 << 16
_MESSAGE_CHARACTERS = 200
_POINTER = re.compile(r" @ 0x[0-9a-f]+")  # of the part that speaks: other in each run, so each would be news
_NO_SOUND = re.compile(r"matches no streams|does not contain any stream")
# Lines that follow the reason, or only say that there was one.
_EMPTY_WORDS = re.compile(
    r"^(?:To ignore this|Failed to set value|Conversion failed|Exiting)"
    r"|^Error (?:opening|parsing options for) (?:in|out)put"
)
# What ffmpeg makes of every failure of a connection; the part that met it has said more right before.
_VAGUE = re.compile(r": (?:Input/output error|Immediate exit requested)$")
_CONNECTION = re.compile(r"^\[(?:tcp|udp|tls|https?|httpproxy|rtsp)\b")


class Complaints:
    """Keeps the last lines of a program that may complain for ever, in memory that does not grow."""

    def __init__(self) -> None:
        """Begin with nothing heard."""
        self._pipe: IO[bytes] | None = None
        self._kept = b""

    def listen(self, pipe: IO[bytes] | None) -> None:
        """Read from this pipe from now on, and forget what another one said."""
        self._pipe, self._kept = pipe, b""
        if pipe is not None:
            os.set_blocking(pipe.fileno(), False)

    def take(self) -> None:
        """Take what was said meanwhile, without waiting: a program whose pipe is full would stop."""
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

    def tell_of_a_loss(self, url: str) -> bool:
        """Return whether the last line says that the connection to `url` broke."""
        last = self._telling_lines()[-1]
        return last.startswith(url) or "during demuxing" in last

    def tell_of_no_sound(self) -> bool:
        """Return whether the stream has no sound."""
        return bool(_NO_SOUND.search(self._text()))

    def reason(self) -> str:
        """Return why the program ended, in one short line without secrets; empty when it said nothing."""
        *_, before, last = ("", *self._telling_lines())
        telling = before if _VAGUE.search(last) and _CONNECTION.match(before) else last
        said = _POINTER.sub("", mask(telling))[:_MESSAGE_CHARACTERS]
        return f"ffmpeg says {said!r}" if said else ""

    def _text(self) -> str:
        return self._kept.decode(errors="replace").strip()

    def _telling_lines(self) -> list[str]:
        """Return the lines without those that follow every reason, but one at least; they may hold a password."""
        lines = [line.strip() for line in self._text().splitlines()]
        return [line for line in lines if not _EMPTY_WORDS.match(line)] or lines[-1:] or [""]
