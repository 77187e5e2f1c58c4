"""Decoding by ffmpeg, for formats that libsndfile does not read.

Examples are voice memos, and recordings of browsers and cameras.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import resource
import shutil
import struct
import subprocess
import tempfile
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from edge.audio.decode.cpubudget import get_cpu_limit_s

if TYPE_CHECKING:
    from numpy.typing import NDArray

_READ_VALUES = 1 << 17
_AU_HEAD = struct.Struct(">4s5I")  # magic, offset of the samples, their length, encoding, rate, channels
_AU_FLOAT = 6
_VALUE_BYTES = 4
_MEMORY_BYTES, _MESSAGE_BYTES = 1 << 29, 1 << 22
_GUESSES = ("aac", "amr")  # these have no header with their length
_DURATION = re.compile(rb"Duration: (\d+):(\d+):(\d+\.\d+)")
_GUESSED = b"Estimating duration from bitrate"
_PICTURES = b": Video:"  # video may be longer than the sound
_CUT_OFF = re.compile(rb"partial file|File ended prematurely")
_STOP_S, _GRACE_S = 2.0, 5  # it ends at the fourth signal, and one is sent each second
# Only the formats of phones, browsers and cameras: few other decoders of ffmpeg are as well maintained.
_DECODERS = (
    "aac,aac_latm,ac3,adpcm_ima_qt,adpcm_ima_wav,adpcm_ms,alac,amrnb,amrwb,eac3,flac,gsm,gsm_ms,libopus,libspeex,"
    "mp2float,mp3,mp3float,opus,pcm_alaw,pcm_f32be,pcm_f32le,pcm_mulaw,pcm_s16be,pcm_s16le,pcm_s24be,pcm_s24le,pcm_u8,"
    "speex,vorbis,wmalossless,wmapro,wmav1,wmav2"
)


class ConvertError(Exception):
    """A file that ffmpeg cannot decode."""


def find_ffmpeg() -> str | None:
    """Return the path of ffmpeg, or None if it is not installed."""
    return shutil.which("ffmpeg")


class ConvertedReader:
    """Reader of a file through ffmpeg, with the interface of `SoundReader`."""

    def __init__(self, file: BinaryIO, demuxer: str, program: str, max_s: float | None) -> None:
        """Start ffmpeg; raises `ConvertError`.

        ffmpeg tries no other format than `demuxer`, and opens no other file. Its processor time is limited if `max_s`,
        the allowed duration, is given.
        """
        self._most_cpu_s = None if max_s is None else math.ceil(get_cpu_limit_s(max_s)) + _GRACE_S
        self.failed, self.done, self.completeness, self.exact = False, 0, 1.0, False
        with contextlib.ExitStack() as stack:
            self._messages = stack.enter_context(tempfile.TemporaryFile())
            self._process = subprocess.Popen(  # noqa: S603 - a list of arguments, and no shell
                _build_command(program, demuxer),
                stdin=_open_on_disk(stack, file),
                stdout=subprocess.PIPE,
                stderr=self._messages,
            )
            stack.callback(self._stop)
            self._set_limits()
            self.rate_hz, self.channels = self._read_head()
            messages = self._read_messages()
            self._seconds = None if demuxer in _GUESSES or _PICTURES in messages else _parse_duration_s(messages)
            self._stack = stack.pop_all()

    @property
    def frames(self) -> int | None:
        """Samples in each channel according to the header; None if it has no length."""
        return None if self._seconds is None else round(self._seconds * self.rate_hz)

    @property
    def used(self) -> float:
        """Share of the file's bytes that were read.

        It is 0 after a failure, because ffmpeg does not report it, and otherwise 1, because ffmpeg skips damage.
        """
        return 0.0 if self.failed else 1.0

    def read(self) -> NDArray[np.float32]:
        """Return the next samples, shape (n,) or (n, channels), n = 0 at the end."""
        frames = max(1, _READ_VALUES // self.channels)
        data = self._read_bytes(frames * self.channels * _VALUE_BYTES)
        count = len(data) // (self.channels * _VALUE_BYTES)
        values = np.frombuffer(data, ">f4", count * self.channels).astype(np.float32)
        if not count:
            self._finish()
        self.done += count
        self._extend_cpu_limit(self.done / self.rate_hz)
        return values if self.channels == 1 else values.reshape(count, self.channels)

    def close(self) -> None:
        """Stop ffmpeg, and wait for its end."""
        self._stack.close()

    def _finish(self) -> None:
        self.failed = self._process.wait() != 0
        messages = self._read_messages()
        if _CUT_OFF.search(messages):
            # With video, the length of the sound is not known; that of the file is close to it.
            self._seconds, self.exact = _parse_duration_s(messages), True

    def _read_messages(self) -> bytes:
        return os.pread(
            self._messages.fileno(), _MESSAGE_BYTES, 0
        )  # a `seek` would move the position where ffmpeg writes

    def _read_head(self) -> tuple[int, int]:
        head = self._read_bytes(_AU_HEAD.size)
        if len(head) < _AU_HEAD.size:
            raise ConvertError
        _, offset, _, encoding, rate_hz, channels = _AU_HEAD.unpack(head)
        if encoding != _AU_FLOAT or not rate_hz or not channels:
            raise ConvertError
        self._read_bytes(offset - _AU_HEAD.size)
        return rate_hz, channels

    def _read_bytes(self, count: int) -> bytes:
        return self._process.stdout.read(count) if self._process.stdout is not None else b""

    def _set_limits(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has already ended
            for kind, most in ((resource.RLIMIT_DATA, _MEMORY_BYTES), (resource.RLIMIT_FSIZE, _MESSAGE_BYTES)):
                resource.prlimit(self._process.pid, kind, (most, most))
        self._extend_cpu_limit(0.0)

    def _extend_cpu_limit(self, sound_s: float) -> None:
        """Raise the limit of processor time to that for `sound_s` seconds of sound."""
        if self._most_cpu_s is None or self._process.returncode is not None:
            return
        soft_s = min(math.ceil(get_cpu_limit_s(sound_s)), self._most_cpu_s)
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(self._process.pid, resource.RLIMIT_CPU, (soft_s, self._most_cpu_s))

    def _stop(self) -> None:
        self._process.kill()
        if self._process.stdout is not None:
            self._process.stdout.close()
        with contextlib.suppress(subprocess.TimeoutExpired):  # it ends when its disk access returns
            self._process.wait(_STOP_S)


def _build_command(program: str, demuxer: str) -> list[str]:
    return [
        *(program, "-nostdin", "-hide_banner", "-nostats", "-protocol_whitelist", "file,pipe"),
        *("-codec_whitelist", _DECODERS, "-threads", "1", "-f", demuxer, "-i", "file:/dev/stdin", "-map", "0:a:0"),
        *("-c:a", "pcm_f32be", "-f", "au", "pipe:1"),
    ]


def _open_on_disk(stack: contextlib.ExitStack, file: BinaryIO) -> int:
    """Return a descriptor of the file at its beginning; copy it from memory if needed."""
    file.seek(0)
    try:
        return file.fileno()
    except OSError:
        copy = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
        shutil.copyfileobj(file, copy)
        copy.flush()
        return copy.fileno()


def _parse_duration_s(messages: bytes) -> float | None:
    """Return the duration that ffmpeg read from the header; None if it is an estimate."""
    found = _DURATION.search(messages)
    if found is None or _GUESSED in messages:
        return None
    hours, minutes, seconds = map(float, found.groups())
    return hours * 3600 + minutes * 60 + seconds
