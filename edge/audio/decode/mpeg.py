"""Frames of MPEG audio (layers I, II and III): their positions and number.

libmpg123 estimates the length of a file without a Xing header from its first frame, and libsndfile stops there.
Therefore it gets only the frames, after a header with their true number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from edge.audio.decode.mpeg_frame import (
    HEADER_BYTES,
    ID3_BYTES,
    KEY_BYTES,
    Family,
    is_mono,
    list_frame_sizes,
    measure_id3,
    parse_family,
)
from edge.audio.decode.view import ScanBuffer

if TYPE_CHECKING:
    from edge.audio.decode.view import Piece

_SYNC = re.compile(rb"(?=\xff[\xe2-\xff][^\xf0-\xff])", re.DOTALL)
_ID3V1_BYTES = 128
_MOST_JUNK = 1 << 18  # before the first frame
_CHAIN = 3  # frames in a row that are certainly MPEG audio
_MOST_TRIES = 20_000
_MOST_SPANS, _MOST_RUNS = 10_000, 1_000
_STEP_BYTES = 1 << 17
_LONGEST_S = 1e9
_MOST_PADDING = 2 * 4095  # samples of padding, at both ends, according to an encoder's tag


class MpegError(Exception):
    """A file whose frames are too scattered."""


@dataclass
class MpegRun:
    """Consecutive frames of one family."""

    family: Family
    promised: int | None = None
    """Number of frames according to its Xing or VBRI header."""
    header: tuple[int, int] | None = None
    """Begin and end of its Xing header."""
    spans: list[tuple[int, int]] = field(default_factory=list)
    frames: int = 0

    def add(self, begin: int, end: int, frames: int) -> None:
        """Add frames between two positions."""
        if self.spans and self.spans[-1][1] == begin:
            begin = self.spans.pop()[0]
        self.spans.append((begin, end))
        self.frames += frames

    def make_pieces(self) -> tuple[Piece, ...]:
        """Return the pieces for libmpg123: the frames, after a correct header."""
        if self.header is not None and self.promised in (
            self.frames,
            self.frames + 1,
        ):  # some encoders count the header too
            return (self.header, *self.spans)
        return (self.family.make_info_frame(self.frames), *self.spans) if self.family.mp3 else tuple(self.spans)


def find_mpeg_runs(file: BinaryIO, size: int, start: int, max_s: float) -> list[MpegRun]:
    """Find the runs of frames in a file, from `start` on.

    A file of another kind has none. Other bytes before, between and after the frames are skipped. The search ends after
    `max_s` seconds of sound. Raises `MpegError`.
    """
    scanner = _FrameScanner(file, size)
    runs: list[MpegRun] = []
    seconds, turns = 0.0, 0
    position = scanner.find_sync(start, start + _MOST_JUNK)
    while position is not None and seconds <= max_s:
        run, begin = scanner.read_run(position)
        if runs and begin == position and runs[-1].family == run.family:
            run = runs[-1]
        else:
            runs.append(run)
            seconds -= _MOST_PADDING / run.family.rate_hz
        turns += 1
        if len(runs) > _MOST_RUNS or turns > _MOST_SPANS:
            msg = "it consists of too many parts"
            raise MpegError(msg)
        due_s = min(max_s - seconds, _LONGEST_S) + 1
        most = int(due_s * run.family.rate_hz / run.family.samples) + 1
        if run.promised and run.frames < run.promised:
            most = min(most, run.promised - run.frames)  # after them the next file may begin, with its own header
        position, frames = scanner.scan_frames(begin, run.family, most)
        if frames:
            run.add(begin, position, frames)
        seconds += frames * run.family.samples / run.family.rate_hz
        if seconds > max_s:
            run.promised = None  # not all frames were counted
        position = scanner.find_sync(position, size)
    return [run for run in runs if run.frames]


class _FrameScanner:
    """Scanner of a file for frames."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._buffer, self._size = ScanBuffer(file), size
        self._tries = _MOST_TRIES

    def read_run(self, position: int) -> tuple[MpegRun, int]:
        """Return a run for the frame at `position`, and the position of its sound.

        A header frame has no sound and is skipped.
        """
        family = parse_family(self._buffer.fetch(position, HEADER_BYTES))
        if family is None:
            msg = f"there is no frame at byte {position}"
            raise MpegError(msg)
        end = position + list_frame_sizes(family)[self._buffer.fetch(position, KEY_BYTES)]
        magic, promised = family.read_promise(self._buffer.fetch(position, end - position))
        if not magic:
            return MpegRun(family), position
        return MpegRun(family, promised, (position, end) if magic != b"VBRI" else None), end

    def scan_frames(self, position: int, family: Family, most: int) -> tuple[int, int]:
        """Return the end and the number of consecutive frames of a family, at most `most`."""
        sizes, mono, frames = list_frame_sizes(family), family.mono, 0
        while frames < most:
            self._buffer.fetch(position, HEADER_BYTES)
            data, base = self._buffer.data, self._buffer.begin
            offset, last = position - base, len(data) - HEADER_BYTES
            while offset <= last and frames < most:
                size = sizes.get(data[offset : offset + KEY_BYTES])
                if size is None or is_mono(data[offset + 3]) != mono or base + offset + size > self._size:
                    return base + offset, frames
                offset += size
                frames += 1
            if position == base + offset:
                break
            position = base + offset
        return position, frames

    def find_sync(self, position: int, limit: int) -> int | None:
        """Return the position of the next frame, from `position` to before `limit`; else None.

        Tags are skipped.
        """
        limit = min(limit, self._size)
        while position < limit:
            tag = self._measure_tag(position)
            if tag:
                self._count_try()
                position += tag
                limit = min(self._size, limit + tag)
                continue
            data = self._buffer.fetch(position, min(_STEP_BYTES, limit - position))
            for match in _SYNC.finditer(data):
                if self._is_chained(position + match.start()):
                    return position + match.start()
                self._count_try()
            position += max(1, len(data) - KEY_BYTES + 1)
        return None

    def _count_try(self) -> None:
        self._tries -= 1
        if self._tries <= 0:
            msg = "most of it is not sound"
            raise MpegError(msg)

    def _measure_tag(self, position: int) -> int:
        """Return the length of the tag at `position`, 0 without one."""
        head = self._buffer.fetch(position, ID3_BYTES)
        return _ID3V1_BYTES if head.startswith(b"TAG") else measure_id3(head)

    def _is_chained(self, position: int) -> bool:
        """Return whether several frames in a row begin here, or fewer at the file's end."""
        family = parse_family(self._buffer.fetch(position, HEADER_BYTES))
        if family is None:
            return False
        end, frames = self.scan_frames(position, family, _CHAIN)
        return frames == _CHAIN or (frames > 0 and end >= self._size)
