"""Streams that ffmpeg opens: cameras by RTSP, radio and files by HTTP."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import time
from typing import TYPE_CHECKING

import numpy as np

from edge.audio.sources.complaints import Complaints
from edge.audio.sources.ready import readable
from edge.audio.sources.s16 import floats_from_s16
from edge.audio.sources.source import Chunk, StreamEnded
from edge.errors import SourceUnavailable

if TYPE_CHECKING:
    from edge.settings.source_spec import UrlSpec

_STALL_S = 10.0
_READ_BYTES = 1 << 16
_TERMINATE_S = 2.0
_AU_HEAD = struct.Struct(">4s5I")  # magic, offset of the samples, their length, encoding, rate, channels
_AU_S16 = 3
_PROTOCOLS = "rtsp,rtsps,rtp,srtp,http,https,httpproxy,udp,tcp,tls,crypto"  # never a file of this node


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
        self._complaints = Complaints()
        self._rest = b""
        self._heard_s = 0.0

    def open(self) -> None:
        """Start ffmpeg; whether it reaches the stream is told by `read`."""
        self.rate_hz, self._rest = 0, b""
        if shutil.which(self._program) is None:
            msg = f"the source needs {self._program}, which is not installed"
            raise SourceUnavailable(msg, where=self._spec.masked, remedy="apt install ffmpeg")
        try:
            self._process = subprocess.Popen(  # noqa: S603 - a list of arguments, and no shell
                self._command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
            )
        except OSError as exc:
            msg = f"{self._program} does not start: {exc.strerror}"
            raise SourceUnavailable(msg, where=self._spec.masked) from exc
        self._complaints.listen(self._process.stderr)
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
        self._complaints.close()

    def _after_header(self, data: bytes) -> bytes:
        """Read rate and channels from the head of an AU file, once it is all there; return what follows."""
        if len(data) < _AU_HEAD.size:
            return data
        _, offset, _, encoding, rate_hz, channels = _AU_HEAD.unpack_from(data)
        if encoding != _AU_S16 or not rate_hz or not channels:
            msg = f"{self._program} sent an unexpected format"
            raise SourceUnavailable(msg, where=self._spec.masked)
        if len(data) < offset:
            return data
        self.rate_hz, self._channels = rate_hz, channels
        return data[offset:]

    def _command(self) -> list[str]:
        url = self._spec.url
        # A camera sends as it hears, and what ffmpeg read to recognise it is old: `nobuffer` throws that away.
        # A server sends as fast as it is read, so ffmpeg reads as fast as it sounds, and nothing is thrown away.
        # Only the sound of a camera is asked for: its video costs the network, and a late one holds up the sound.
        camera = ["-fflags", "nobuffer", "-rtsp_transport", "tcp", "-allowed_media_types", "audio"]
        options = camera if self.live else ["-re"]
        return [
            *_ending_with_parent(),
            *(self._program, "-nostdin", "-hide_banner", "-loglevel", "error"),
            *("-protocol_whitelist", _PROTOCOLS, *options, "-i", url),
            *("-map", "0:a:0", "-c:a", "pcm_s16be", "-flush_packets", "1", "-f", "au", "pipe:1"),
        ]

    def _read_bytes(self) -> bytes:
        """Return what came within a quarter of a second."""
        if self._process is None or self._process.stdout is None:
            return b""
        descriptor = self._process.stdout.fileno()
        self._complaints.take()
        now_s = time.monotonic()
        if not readable(descriptor):
            if now_s - self._heard_s > self._patience_s:
                msg = f"the source has sent nothing for {self._patience_s:g} s"
                raise SourceUnavailable(msg, where=self._spec.masked)
            return b""
        data = os.read(descriptor, _READ_BYTES)
        if not data:
            raise self._end(self._process)
        self._heard_s = now_s
        return data

    def _end(self, process: subprocess.Popen[bytes]) -> SourceUnavailable:
        """Return what the end of ffmpeg's output means."""
        status = _status(process)
        self._complaints.take()
        # A connection that broke leaves ffmpeg's exit status at 0; only its last line tells.
        broke = self._complaints.tell_of_a_loss(self._spec.url)
        if not self.live and self.rate_hz and not broke and status == 0:
            return StreamEnded("end of stream")
        if self._complaints.tell_of_no_sound():
            remedy = "switch the audio of the camera or server on"
            return SourceUnavailable("the source has no sound", where=self._spec.masked, remedy=remedy)
        reason = self._complaints.reason()
        return SourceUnavailable("the source ended" + (f": {reason}" if reason else ""), where=self._spec.masked)


def _ending_with_parent() -> list[str]:
    """Return the command that has a program killed with this process; nothing where it is not installed.

    Without it a program that waits for a stream that sends nothing would outlive a node that was killed.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def _status(process: subprocess.Popen[bytes]) -> int | None:
    """Return the exit status of a program that has closed its output; None when it goes on nevertheless."""
    try:
        return process.wait(_TERMINATE_S)
    except subprocess.TimeoutExpired:
        return None
