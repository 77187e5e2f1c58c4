"""The frames of MPEG audio (MP3 and its elder kin): where they lie and how many they are, read from their headers.

libmpg123 guesses the length of a file without a Xing header from its first frame, and libsndfile stops at the guess.
So it is given the frames alone, behind a header that tells their true number.
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
    family_of,
    frame_sizes,
    id3_bytes,
    is_mono,
)
from edge.audio.decode.view import Window

if TYPE_CHECKING:
    from edge.audio.decode.view import Piece

_SYNC = re.compile(rb"(?=\xff[\xe2-\xff][^\xf0-\xff])", re.DOTALL)
_ID3V1_BYTES = 128
_MOST_JUNK = 1 << 18  # before the first frame
_CHAIN = 3  # frames in a row that are no accident
_MOST_TRIES = 20_000
_MOST_SPANS, _MOST_RUNS = 10_000, 1_000
_STEP_BYTES = 1 << 17
_LONGEST_S = 1e9
_MOST_PADDING = 2 * 4095  # samples that an encoder's tag may say are no sound, at both ends


class MpegError(Exception):
    """The frames lie too scattered to be looked for."""


@dataclass
class MpegRun:
    """Frames of one kind, one behind the other."""

    family: Family
    promised: int | None = None
    """Frames that its Xing or VBRI header promises."""
    header: tuple[int, int] | None = None
    """Where its Xing header lies."""
    spans: list[tuple[int, int]] = field(default_factory=list)
    frames: int = 0

    def add(self, begin: int, end: int, frames: int) -> None:
        """Add frames that lie between two places."""
        if self.spans and self.spans[-1][1] == begin:
            begin = self.spans.pop()[0]
        self.spans.append((begin, end))
        self.frames += frames

    def pieces(self) -> tuple[Piece, ...]:
        """Return what libmpg123 is to read: the frames, behind a true header."""
        if self.header is not None and self.promised in (self.frames, self.frames + 1):  # some count the header too
            return (self.header, *self.spans)
        return (self.family.info_frame(self.frames), *self.spans) if self.family.mp3 else tuple(self.spans)


def mpeg_runs(file: BinaryIO, size: int, start: int, max_s: float) -> list[MpegRun]:
    """Return the runs of frames in a file, read from `start`; none in a file that is no MPEG audio.

    What lies before, between and behind them is passed over. The walk ends where the sound lasts longer than `max_s`.
    Raises `MpegError`.
    """
    walk = _Walk(file, size)
    runs: list[MpegRun] = []
    seconds, turns = 0.0, 0
    position = walk.sync(start, start + _MOST_JUNK)
    while position is not None and seconds <= max_s:
        run, begin = walk.run_at(position)
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
            most = min(most, run.promised - run.frames)  # behind them the next file may begin, with its own header
        position, frames = walk.follow(begin, run.family, most)
        if frames:
            run.add(begin, position, frames)
        seconds += frames * run.family.samples / run.family.rate_hz
        if seconds > max_s:
            run.promised = None  # not all was counted
        position = walk.sync(position, size)
    return [run for run in runs if run.frames]


class _Walk:
    """A file, looked at for frames."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._window, self._size = Window(file), size
        self._tries = _MOST_TRIES

    def run_at(self, position: int) -> tuple[MpegRun, int]:
        """Return a run for the frame that begins here, and where its sound begins: behind a header without any."""
        family = family_of(self._window.at(position, HEADER_BYTES))
        if family is None:
            msg = f"there is no frame at byte {position}"
            raise MpegError(msg)
        end = position + frame_sizes(family)[self._window.at(position, KEY_BYTES)]
        magic, promised = family.promise(self._window.at(position, end - position))
        if not magic:
            return MpegRun(family), position
        return MpegRun(family, promised, (position, end) if magic != b"VBRI" else None), end

    def follow(self, position: int, family: Family, most: int) -> tuple[int, int]:
        """Return where the frames of this family end that begin here, and how many there are, `most` at the most."""
        sizes, mono, frames = frame_sizes(family), family.mono, 0
        while frames < most:
            self._window.at(position, HEADER_BYTES)
            data, base = self._window.data, self._window.begin
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

    def sync(self, position: int, limit: int) -> int | None:
        """Return where frames begin again, at or behind `position` and before `limit`; tags are passed over."""
        limit = min(limit, self._size)
        while position < limit:
            tag = self._tag(position)
            if tag:
                self._try()
                position += tag
                limit = min(self._size, limit + tag)
                continue
            window = self._window.at(position, min(_STEP_BYTES, limit - position))
            for match in _SYNC.finditer(window):
                if self._chained(position + match.start()):
                    return position + match.start()
                self._try()
            position += max(1, len(window) - KEY_BYTES + 1)
        return None

    def _try(self) -> None:
        self._tries -= 1
        if self._tries <= 0:
            msg = "most of it is not sound"
            raise MpegError(msg)

    def _tag(self, position: int) -> int:
        """Return the length of the tag that begins here, 0 when there is none."""
        head = self._window.at(position, ID3_BYTES)
        return _ID3V1_BYTES if head.startswith(b"TAG") else id3_bytes(head)

    def _chained(self, position: int) -> bool:
        """Return whether frames follow one another from here, or up to the file's end."""
        family = family_of(self._window.at(position, HEADER_BYTES))
        if family is None:
            return False
        end, frames = self.follow(position, family, _CHAIN)
        return frames == _CHAIN or (frames > 0 and end >= self._size)
