"""What libsndfile does not read, decoded by ffmpeg where it is installed: memos, clips of browsers and cameras."""

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

from edge.audio.decode.effort import allowed_s

if TYPE_CHECKING:
    from numpy.typing import NDArray

_READ_VALUES = 1 << 17
_AU_HEAD = struct.Struct(">4s5I")  # magic, offset of the samples, their length, encoding, rate, channels
_AU_FLOAT = 6
_VALUE_BYTES = 4
_MEMORY_BYTES, _WORDS_BYTES = 1 << 29, 1 << 22
_GUESSES = ("aac", "amr")  # these have no header that says how long they are
_DURATION = re.compile(rb"Duration: (\d+):(\d+):(\d+\.\d+)")
_GUESSED = b"Estimating duration from bitrate"
_PICTURES = b": Video:"  # which may last longer than the sound
_CUT_OFF = re.compile(rb"partial file|File ended prematurely")
_STOP_S, _GRACE_S = 2.0, 5  # it obeys the fourth signal, of which one comes each second
# What phones, browsers and cameras write, and no more: few of ffmpeg's decoders are looked after as these are.
_DECODERS = (
    "aac,aac_latm,ac3,adpcm_ima_qt,adpcm_ima_wav,adpcm_ms,alac,amrnb,amrwb,eac3,flac,gsm,gsm_ms,libopus,libspeex,"
    "mp2float,mp3,mp3float,opus,pcm_alaw,pcm_f32be,pcm_f32le,pcm_mulaw,pcm_s16be,pcm_s16le,pcm_s24be,pcm_s24le,pcm_u8,"
    "speex,vorbis,wmalossless,wmapro,wmav1,wmav2"
)


class ConvertError(Exception):
    """ffmpeg makes nothing of it."""


def ffmpeg_path() -> str | None:
    """Return where ffmpeg is, if it is installed."""
    return shutil.which("ffmpeg")


class ConvertedReader:
    """The sound of a file as ffmpeg decodes it, read as `SoundReader` is."""

    def __init__(self, file: BinaryIO, demuxer: str, program: str, max_s: float | None) -> None:
        """Start ffmpeg; raises `ConvertError`. It tries no other format than `demuxer`, and opens no other file.

        The processor time that it takes is limited where `max_s` is the sound that is allowed.
        """
        self._most_cpu_s = None if max_s is None else math.ceil(allowed_s(max_s)) + _GRACE_S
        self.failed, self.done, self.held, self.exact = False, 0, 1.0, False
        with contextlib.ExitStack() as stack:
            self._words = stack.enter_context(tempfile.TemporaryFile())
            self._process = subprocess.Popen(  # noqa: S603 - a list of arguments, and no shell
                _command(program, demuxer), stdin=_on_disk(stack, file), stdout=subprocess.PIPE, stderr=self._words
            )
            stack.callback(self._stop)
            self._limit()
            self.rate_hz, self.channels = self._head()
            said = self._said()
            self._seconds = None if demuxer in _GUESSES or _PICTURES in said else _duration_s(said)
            self._stack = stack.pop_all()

    @property
    def frames(self) -> int | None:
        """Samples in each channel as the file has it; None when it does not say."""
        return None if self._seconds is None else round(self._seconds * self.rate_hz)

    @property
    def used(self) -> float:
        """How much of the file's bytes were read; ffmpeg does not say, and does not stop at damage."""
        return 0.0 if self.failed else 1.0

    def read(self) -> NDArray[np.float32]:
        """Return what comes next, shape (n,) or (n, channels), n = 0 at the end."""
        frames = max(1, _READ_VALUES // self.channels)
        data = self._bytes(frames * self.channels * _VALUE_BYTES)
        count = len(data) // (self.channels * _VALUE_BYTES)
        values = np.frombuffer(data, ">f4", count * self.channels).astype(np.float32)
        if not count:
            self._end()
        self.done += count
        self._allow(self.done / self.rate_hz)
        return values if self.channels == 1 else values.reshape(count, self.channels)

    def close(self) -> None:
        """Stop ffmpeg, and wait until it is gone."""
        self._stack.close()

    def _end(self) -> None:
        self.failed = self._process.wait() != 0
        said = self._said()
        if _CUT_OFF.search(said):
            # With pictures the sound's own length stands nowhere; that of both is near it.
            self._seconds, self.exact = _duration_s(said), True

    def _said(self) -> bytes:
        return os.pread(self._words.fileno(), _WORDS_BYTES, 0)  # ffmpeg writes on at the place where a `seek` leads

    def _head(self) -> tuple[int, int]:
        head = self._bytes(_AU_HEAD.size)
        if len(head) < _AU_HEAD.size:
            raise ConvertError
        _, offset, _, encoding, rate_hz, channels = _AU_HEAD.unpack(head)
        if encoding != _AU_FLOAT or not rate_hz or not channels:
            raise ConvertError
        self._bytes(offset - _AU_HEAD.size)
        return rate_hz, channels

    def _bytes(self, count: int) -> bytes:
        return self._process.stdout.read(count) if self._process.stdout is not None else b""

    def _limit(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            for kind, most in ((resource.RLIMIT_DATA, _MEMORY_BYTES), (resource.RLIMIT_FSIZE, _WORDS_BYTES)):
                resource.prlimit(self._process.pid, kind, (most, most))
        self._allow(0.0)

    def _allow(self, sound_s: float) -> None:
        """Let ffmpeg go on for the processor time that so much sound may take."""
        if self._most_cpu_s is None or self._process.returncode is not None:
            return
        soft_s = min(math.ceil(allowed_s(sound_s)), self._most_cpu_s)
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(self._process.pid, resource.RLIMIT_CPU, (soft_s, self._most_cpu_s))

    def _stop(self) -> None:
        self._process.kill()
        if self._process.stdout is not None:
            self._process.stdout.close()
        with contextlib.suppress(subprocess.TimeoutExpired):  # the kernel lets go of it when its disk answers
            self._process.wait(_STOP_S)


def _command(program: str, demuxer: str) -> list[str]:
    return [
        *(program, "-nostdin", "-hide_banner", "-nostats", "-protocol_whitelist", "file,pipe"),
        *("-codec_whitelist", _DECODERS, "-threads", "1", "-f", demuxer, "-i", "file:/dev/stdin", "-map", "0:a:0"),
        *("-c:a", "pcm_f32be", "-f", "au", "pipe:1"),
    ]


def _on_disk(stack: contextlib.ExitStack, file: BinaryIO) -> int:
    """Return a descriptor of the file from its beginning; what is in memory alone is written down."""
    file.seek(0)
    try:
        return file.fileno()
    except OSError:
        copy = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
        shutil.copyfileobj(file, copy)
        copy.flush()
        return copy.fileno()


def _duration_s(said: bytes) -> float | None:
    """Return the length that ffmpeg read from the file's header; None where it guesses."""
    found = _DURATION.search(said)
    if found is None or _GUESSED in said:
        return None
    hours, minutes, seconds = map(float, found.groups())
    return hours * 3600 + minutes * 60 + seconds
