"""Streams that ffmpeg opens: cameras by RTSP, radio and files by HTTP."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import tempfile
import time
from typing import IO, TYPE_CHECKING

import numpy as np

from edge.audio.ready import readable
from edge.audio.s16 import floats_from_s16
from edge.audio.source import Chunk, StreamEnded
from edge.audio.spec import mask
from edge.errors import SourceUnavailable

if TYPE_CHECKING:
    from edge.audio.spec import UrlSpec

_STALL_S = 10.0
_READ_BYTES = 1 << 16
_TERMINATE_S = 2.0
_AU_HEAD = struct.Struct(">4s5I")  # magic, offset of the samples, their length, encoding, rate, channels
_AU_S16 = 3
_PROTOCOLS = "rtsp,rtsps,rtp,srtp,http,https,httpproxy,udp,tcp,tls,crypto"  # never a file of this node
_MESSAGE_CHARACTERS = 200
_POINTER = re.compile(r" @ 0x[0-9a-f]+")  # of the part that speaks: other in each run, so each would be news


class FfmpegSource:
    """One run of ffmpeg, that writes the stream's own channels at its own rate, with a header that names both."""

    clocked = True
    stall_s = 3.0

    def __init__(self, spec: UrlSpec, program: str = "ffmpeg", stall_s: float = _STALL_S) -> None:
        """Take the address; without a byte for `stall_s` the stream is lost."""
        self._spec, self._program, self._patience_s = spec, program, stall_s
        # A camera goes on whether it is heard or not; a server waits for a reader that is slow.
        self.live = spec.url.startswith("rtsp")
        self.rate_hz, self._channels, self.device = 0, 1, spec.masked
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._rest = b""
        self._heard_s = 0.0

    def open(self) -> None:
        """Start ffmpeg; whether it reaches the stream is told by `read`."""
        self.rate_hz, self._rest = 0, b""
        # A file and no pipe: an ffmpeg that has much to say must not block.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        try:
            self._process = subprocess.Popen(  # noqa: S603 - a list of arguments, and no shell
                self._command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._errors, bufsize=0
            )
        except FileNotFoundError as exc:
            msg = f"{self._spec.masked} needs {self._program}, which is not installed; apt install ffmpeg"
            raise SourceUnavailable(msg) from exc
        except OSError as exc:
            msg = f"{self._program} cannot be started: {exc.strerror}"
            raise SourceUnavailable(msg) from exc
        self._heard_s = time.monotonic()

    def read(self) -> Chunk | None:
        """Return what came; `StreamEnded` at a clean end, `SourceUnavailable` when it was lost or fell silent."""
        data = self._rest + self._read_bytes()
        if not self.rate_hz:
            data = self._after_header(data)
        whole = len(data) - len(data) % (2 * self._channels) if self.rate_hz else 0
        self._rest = data[whole:]
        return Chunk(floats_from_s16(data[:whole], self._channels, ">") if whole else np.empty(0, np.float32))

    def close(self) -> None:
        """Stop ffmpeg, and wait until it is gone."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(_TERMINATE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        if self._errors is not None:
            self._errors.close()
            self._errors = None

    def _after_header(self, data: bytes) -> bytes:
        """Read rate and channels from the head of an AU file, once it is all there; return what follows."""
        if len(data) < _AU_HEAD.size:
            return data
        _, offset, _, encoding, rate_hz, channels = _AU_HEAD.unpack_from(data)
        if encoding != _AU_S16 or not rate_hz or not channels:
            msg = f"{self._spec.masked}: {self._program} answered in a format that was not asked for"
            raise SourceUnavailable(msg)
        if len(data) < offset:
            return data
        self.rate_hz, self._channels = rate_hz, channels
        return data[offset:]

    def _command(self) -> list[str]:
        url = self._spec.url
        # A camera sends as it hears, and what ffmpeg read to recognise it is old: `nobuffer` throws that away.
        # A server sends as fast as it is read, so ffmpeg reads as fast as it sounds, and nothing is thrown away.
        options = ["-fflags", "nobuffer", "-rtsp_transport", "tcp"] if self.live else ["-re"]
        return [
            *(self._program, "-nostdin", "-hide_banner", "-loglevel", "error"),
            *("-protocol_whitelist", _PROTOCOLS, *options, "-i", url),
            *("-map", "0:a:0", "-c:a", "pcm_s16be", "-flush_packets", "1", "-f", "au", "pipe:1"),
        ]

    def _read_bytes(self) -> bytes:
        """Return what came within a quarter of a second."""
        if self._process is None or self._process.stdout is None:
            return b""
        descriptor = self._process.stdout.fileno()
        now_s = time.monotonic()
        if not readable(descriptor):
            if now_s - self._heard_s > self._patience_s:
                msg = f"{self._spec.masked} sends nothing for {self._patience_s:g} s"
                raise SourceUnavailable(msg)
            return b""
        data = os.read(descriptor, _READ_BYTES)
        if not data:
            raise self._end(self._process)
        self._heard_s = now_s
        return data

    def _end(self, process: subprocess.Popen[bytes]) -> SourceUnavailable:
        """Return what the end of ffmpeg's output means."""
        words = self._last_words()
        # A connection that broke leaves ffmpeg's exit status at 0; only its last line tells.
        broke = words.startswith(self._spec.url) or "during demuxing" in words
        if not self.live and self.rate_hz and not broke and _status(process) == 0:
            return StreamEnded("end of stream")
        said = _POINTER.sub("", mask(words))[:_MESSAGE_CHARACTERS]
        return SourceUnavailable(f"{self._spec.masked} ended" + (f": ffmpeg says {said!r}" if said else ""))

    def _last_words(self) -> str:
        """Return the last line that ffmpeg said so far; may hold a password."""
        if self._errors is None:
            return ""
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else ""


def _status(process: subprocess.Popen[bytes]) -> int | None:
    """Return the exit status of a program that has closed its output; None when it goes on nevertheless."""
    try:
        return process.wait(_TERMINATE_S)
    except subprocess.TimeoutExpired:
        return None
