"""A ring of audio frames between one writer and one reader that share no lock, only memory.

The writer never waits: when the reader is late its oldest frames are overwritten. Two counters make this safe:
`reserved` is moved before a copy and `written` after it. The reader copies, then looks at `reserved` again and
throws away what may have been overwritten meanwhile; without this second look torn blocks would come through.

Nothing here needs NumPy: the capture process, which has to be small, writes through it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmap import mmap

HEADER_BYTES = 64
_RESERVED, _WRITTEN, _OVERFLOWS = 0, 1, 2

# Other processors than x86 may show stores to each other in another order than they were made. Entering the
# scheduler is a full memory barrier in Linux, and the cheapest one that Python can reach.
_fence = os.sched_yield


class Ring:
    """Frames of a fixed size in a writable buffer that begins with `HEADER_BYTES` of counters.

    A fresh buffer is all zeros. The writer's process and the reader's each make their own `Ring` over the same
    memory. Counters are 64 bits, written whole, and count frames since the beginning.
    """

    def __init__(self, buffer: bytearray | mmap | memoryview, frame_bytes: int) -> None:
        """Take the memory; raises `ValueError` when not one frame fits."""
        view = memoryview(buffer)
        self.frame_bytes = frame_bytes
        self.capacity = (len(view) - HEADER_BYTES) // frame_bytes if frame_bytes > 0 else 0
        """Frames that fit."""
        if self.capacity < 1:
            msg = f"a ring of {len(view)} bytes has no room for frames of {frame_bytes} bytes"
            raise ValueError(msg)
        self._view = view
        self._counters = view[:HEADER_BYTES].cast("Q")
        self._data = view[HEADER_BYTES : HEADER_BYTES + self.capacity * frame_bytes]
        self._next = self._counters[_WRITTEN]

    @property
    def written(self) -> int:
        """Frames written since the beginning."""
        return self._counters[_WRITTEN]

    @property
    def overflows(self) -> int:
        """How often the sound system said that it lost frames before the writer got them."""
        return self._counters[_OVERFLOWS]

    def count_overflow(self) -> None:
        """Note a loss before the writer (writer only)."""
        self._counters[_OVERFLOWS] += 1

    def write(self, data: bytes | memoryview) -> None:
        """Append whole frames (writer only); raises `ValueError` for more than fit at once."""
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
        """Return all frames not yet read, and how many were lost right before them (reader only)."""
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
        """Let go of the buffer, so that it may be closed."""
        for view in (self._counters, self._data, self._view):
            view.release()

    def _copy(self, begin: int, frames: int) -> bytes:
        offset = begin % self.capacity * self.frame_bytes
        size = frames * self.frame_bytes
        head = bytes(self._data[offset : offset + size])
        return head if len(head) == size else head + bytes(self._data[: size - len(head)])
