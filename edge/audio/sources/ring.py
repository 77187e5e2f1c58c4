"""Lock-free ring buffer of audio frames in shared memory, for one writer and one reader.

The writer never waits: if the reader is late, the oldest frames are overwritten. Two counters make this safe:
`reserved` is advanced before a copy and `written` after it. The reader copies, then reads `reserved` again and
discards the frames that may have been overwritten during the copy; without this check, torn blocks would pass.

It does not need NumPy, because the capture process, which must be small, writes to it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmap import mmap

HEADER_BYTES = 64
_RESERVED, _WRITTEN, _OVERFLOWS = 0, 1, 2

# Processors other than x86 may reorder stores as seen by each other. Entering the scheduler is a full memory
# barrier in Linux, and the cheapest one available in Python.
_fence = os.sched_yield


class Ring:
    """Ring of frames of a fixed size, with counters at the beginning of the buffer.

    The counters take `HEADER_BYTES`; each has 64 bits, is written atomically, and counts from the beginning. A new
    buffer is all zeros. The processes of the writer and the reader each make their own `Ring` over the same memory.
    """

    def __init__(self, buffer: bytearray | mmap | memoryview, frame_bytes: int) -> None:
        """Take the memory; raises `ValueError` if no frame fits."""
        view = memoryview(buffer)
        self.frame_bytes = frame_bytes
        self.capacity = (len(view) - HEADER_BYTES) // frame_bytes if frame_bytes > 0 else 0
        """Number of frames that fit."""
        if self.capacity < 1:
            msg = f"a ring of {len(view)} bytes has no room for frames of {frame_bytes} bytes"
            raise ValueError(msg)
        self._view = view
        self._counters = view[:HEADER_BYTES].cast("Q")
        self._data = view[HEADER_BYTES : HEADER_BYTES + self.capacity * frame_bytes]
        self._next = self._counters[_WRITTEN]

    @property
    def written(self) -> int:
        """Number of frames written since the beginning."""
        return self._counters[_WRITTEN]

    @property
    def overflows(self) -> int:
        """Number of times that the sound system lost frames before the writer."""
        return self._counters[_OVERFLOWS]

    def count_overflow(self) -> None:
        """Count a loss before the writer (writer only)."""
        self._counters[_OVERFLOWS] += 1

    def write(self, data: bytes | memoryview) -> None:
        """Append whole frames (writer only); raises `ValueError` for more than the capacity."""
        source = memoryview(data).cast("B")
        frames, rest = divmod(len(source), self.frame_bytes)
        if rest or frames > self.capacity:
            msg = f"{len(source)} bytes are no whole frames of {self.frame_bytes} bytes, or more than {self.capacity}"
            raise ValueError(msg)
        begin = self._counters[_WRITTEN]
        self._counters[_RESERVED] = begin + frames
        _fence()
        offset = begin % self.capacity * self.frame_bytes
        head = min(len(source), len(self._data) - offset)
        self._data[offset : offset + head] = source[:head]
        self._data[: len(source) - head] = source[head:]
        _fence()
        self._counters[_WRITTEN] = begin + frames

    def read(self) -> tuple[bytes, int]:
        """Return all unread frames, and the number lost before them (reader only)."""
        written = self._counters[_WRITTEN]
        _fence()
        begin = max(self._next, written - self.capacity)
        data = self._copy(begin, written - begin)
        _fence()
        intact = min(max(begin, self._counters[_RESERVED] - self.capacity), written)
        lost = intact - self._next
        self._next = written
        return data[(intact - begin) * self.frame_bytes :], lost

    def close(self) -> None:
        """Release the buffer, so that it may be closed."""
        for view in (self._counters, self._data, self._view):
            view.release()

    def _copy(self, begin: int, frames: int) -> bytes:
        offset = begin % self.capacity * self.frame_bytes
        size = frames * self.frame_bytes
        head = bytes(self._data[offset : offset + size])
        return head if len(head) == size else head + bytes(self._data[: size - len(head)])
