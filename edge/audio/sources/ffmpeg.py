"""Source of network streams through ffmpeg: cameras by RTSP, radio and files by HTTP."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import time
from typing import TYPE_CHECKING

import numpy as np

from edge.audio.sources.erroroutput import ErrorOutput
from edge.audio.sources.ready import wait_readable
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
    """Source that reads a stream from ffmpeg, with the stream's own channels and rate."""

    clocked = True
    stall_s = 3.0

    def __init__(self, spec: UrlSpec, program: str = "ffmpeg", stall_s: float = _STALL_S) -> None:
        """Take the address; the stream is lost after `stall_s` without data."""
        self._spec, self._program, self._timeout_s = spec, program, stall_s
        # A camera sends without waiting for the reader; a server waits for a slow reader.
        self.live = spec.url.startswith("rtsp")
        self.rate_hz, self._channels, self.device = 0, 1, spec.masked
        self._process: subprocess.Popen[bytes] | None = None
        self._error_output = ErrorOutput()
        self._rest = b""
        self._last_byte_s = 0.0

    def open(self) -> None:
        """Start ffmpeg; a failure to reach the stream is raised by `read`."""
        self.rate_hz, self._rest = 0, b""
        if shutil.which(self._program) is None:
            msg = f"the source needs {self._program}, which is not installed"
            raise SourceUnavailable(msg, where=self._spec.masked, remedy="apt install ffmpeg")
        try:
            self._process = subprocess.Popen(  # noqa: S603 - a list of arguments, and no shell
                self._build_command(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
            )
        except OSError as exc:
            msg = f"{self._program} does not start: {exc.strerror}"
            raise SourceUnavailable(msg, where=self._spec.masked) from exc
        self._error_output.attach(self._process.stderr)
        self._last_byte_s = time.monotonic()

    def read(self) -> Chunk | None:
        """Return the new samples.

        Raises `StreamEnded` at a clean end, and `SourceUnavailable` after a loss or a stall.
        """
        data = self._rest + self._read_bytes()
        if not self.rate_hz:
            data = self._strip_header(data)
        whole = len(data) - len(data) % (2 * self._channels) if self.rate_hz else 0
        self._rest = data[whole:]
        return Chunk(floats_from_s16(data[:whole], self._channels, ">") if whole else np.empty(0, np.float32))

    def close(self) -> None:
        """Stop ffmpeg, and wait for its end."""
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
        self._error_output.close()

    def _strip_header(self, data: bytes) -> bytes:
        """Read rate and channels from the AU header, once it is complete; return the rest."""
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

    def _build_command(self) -> list[str]:
        url = self._spec.url
        # A camera sends in real time, and the data that ffmpeg read to detect the format is old: `nobuffer` drops it.
        # A server sends as fast as it is read, so ffmpeg reads at the rate of the sound, and nothing is dropped.
        # Only the sound of a camera is requested: its video would load the network, and could delay the sound.
        camera = ["-fflags", "nobuffer", "-rtsp_transport", "tcp", "-allowed_media_types", "audio"]
        options = camera if self.live else ["-re"]
        return [
            *_build_setpriv_prefix(),
            *(self._program, "-nostdin", "-hide_banner", "-loglevel", "error"),
            *("-protocol_whitelist", _PROTOCOLS, *options, "-i", url),
            *("-map", "0:a:0", "-c:a", "pcm_s16be", "-flush_packets", "1", "-f", "au", "pipe:1"),
        ]

    def _read_bytes(self) -> bytes:
        """Return the bytes that came within a quarter of a second."""
        if self._process is None or self._process.stdout is None:
            return b""
        descriptor = self._process.stdout.fileno()
        self._error_output.drain()
        now_s = time.monotonic()
        if not wait_readable(descriptor):
            if now_s - self._last_byte_s > self._timeout_s:
                msg = f"the source has sent nothing for {self._timeout_s:g} s"
                raise SourceUnavailable(msg, where=self._spec.masked)
            return b""
        data = os.read(descriptor, _READ_BYTES)
        if not data:
            raise self._explain_end(self._process)
        self._last_byte_s = now_s
        return data

    def _explain_end(self, process: subprocess.Popen[bytes]) -> SourceUnavailable:
        """Return the error for the end of ffmpeg's output."""
        status = _wait_for_status(process)
        self._error_output.drain()
        # After a broken connection the exit status of ffmpeg is 0; only its last line shows it.
        broke = self._error_output.reports_loss(self._spec.url)
        if not self.live and self.rate_hz and not broke and status == 0:
            return StreamEnded("end of stream")
        if self._error_output.reports_no_sound():
            remedy = "switch the audio of the camera or server on"
            return SourceUnavailable("the source has no sound", where=self._spec.masked, remedy=remedy)
        reason = self._error_output.explain()
        return SourceUnavailable("the source ended" + (f": {reason}" if reason else ""), where=self._spec.masked)


def _build_setpriv_prefix() -> list[str]:
    """Return the start of a command line that kills the program together with this process.

    Without it ffmpeg, while waiting for a stream, would outlive a killed node. Empty if setpriv is not installed.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def _wait_for_status(process: subprocess.Popen[bytes]) -> int | None:
    """Wait for a program that closed its output; return its status or None."""
    try:
        return process.wait(_TERMINATE_S)
    except subprocess.TimeoutExpired:
        return None
