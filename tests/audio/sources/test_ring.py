"""The ring: order, losses, and no torn block while frames are overwritten."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import threading
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.audio.sources.ring import HEADER_BYTES, Ring

FRAME = 8
WRITER = """
import mmap, sys
from array import array
from edge.audio.sources.ring import Ring
memory = mmap.mmap(int(sys.argv[1]), 0)
ring, total, size = Ring(memory, 8), int(sys.argv[2]), int(sys.argv[3])
ramp = memoryview(array("Q", range(total)).tobytes())
for begin in range(0, total, size):
    ring.write(ramp[begin * 8 : (begin + size) * 8])
"""


def ramp(begin: int, count: int) -> bytes:
    """Return frames that contain their own numbers."""
    return array("Q", range(begin, begin + count)).tobytes()


def numbers(data: bytes) -> list[int]:
    """Return the numbers in frames."""
    return list(array("Q", data))


def make_pair(capacity: int) -> tuple[Ring, Ring]:
    """Return a writer and a reader over the same memory."""
    memory = bytearray(HEADER_BYTES + capacity * FRAME)
    return Ring(memory, FRAME), Ring(memory, FRAME)


@given(st.lists(st.tuples(st.integers(0, 7), st.booleans()), max_size=60))
def test_every_frame_is_read_once_in_order_or_counted_as_lost(steps: list[tuple[int, bool]]) -> None:
    """For any order of writes and reads, the frames read and lost are those written."""
    writer, reader = make_pair(7)
    written = seen = 0
    for count, look in steps:
        writer.write(ramp(written, count))
        written += count
        if look:
            data, lost = reader.read()
            assert numbers(data) == list(range(seen + lost, written))
            seen = written
    assert writer.written == written


def test_a_late_reader_gets_the_newest_frames() -> None:
    """Only the oldest frames are lost, and their number is returned."""
    writer, reader = make_pair(8)
    for begin in range(0, 20, 5):
        writer.write(ramp(begin, 5))
    assert reader.read() == (ramp(12, 8), 12)
    assert reader.read() == (b"", 0)


def test_frames_overwritten_during_the_copy_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames that the writer reserved during the copy are not returned."""
    writer, reader = make_pair(8)
    writer.write(ramp(0, 8))
    copy = reader._copy

    def slow_copy(begin: int, frames: int) -> bytes:
        writer.write(ramp(8, 3))
        return copy(begin, frames)

    monkeypatch.setattr(reader, "_copy", slow_copy)
    data, lost = reader.read()
    assert (numbers(data), lost) == (list(range(3, 8)), 3)


@pytest.mark.parametrize("size", [1, 7, FRAME * 9], ids=["part of a frame", "odd", "more than fits"])
def test_an_invalid_block_is_refused(size: int) -> None:
    """Parts of frames, and more frames than the capacity, change nothing."""
    writer, reader = make_pair(8)
    with pytest.raises(ValueError, match="no whole frames"):
        writer.write(bytes(size))
    assert reader.read() == (b"", 0)


def test_a_ring_without_room_is_refused() -> None:
    """A buffer without room for a frame is an error."""
    with pytest.raises(ValueError, match="no room"):
        Ring(bytearray(HEADER_BYTES), FRAME)


def test_overflows_are_counted_for_the_reader() -> None:
    """The reader sees the number of losses before the writer."""
    writer, reader = make_pair(2)
    writer.count_overflow()
    writer.count_overflow()
    assert reader.overflows == 2


def count_frames(reader: Ring, total: int) -> tuple[int, int]:
    """Read a ramp of `total` frames; return the frames read and lost. Fails on a torn block."""
    heard = gone = 0
    while heard + gone < total:
        data, lost = reader.read()
        gone += lost
        count = len(data) // FRAME
        assert data == ramp(heard + gone, count)
        heard += count
    return heard, gone


def test_a_writer_in_a_thread_never_tears_a_block() -> None:
    """With a ring of three blocks and a writer that never waits, all blocks are intact and in order."""
    writer, reader = make_pair(96)
    total = 32 * 20_000

    def write() -> None:
        for begin in range(0, total, 32):
            writer.write(ramp(begin, 32))

    thread = threading.Thread(target=write)
    thread.start()
    heard, lost = count_frames(reader, total)
    thread.join()
    assert heard + lost == total
    assert heard > 0


def test_a_writer_in_another_process_never_tears_a_block() -> None:
    """The same holds in shared memory with truly concurrent processes and longer blocks."""
    descriptor = os.memfd_create("test")
    capacity, size, total = 6_000, 4_000, 4_000 * 1_500
    os.ftruncate(descriptor, HEADER_BYTES + capacity * FRAME)
    with mmap.mmap(descriptor, 0) as memory:
        reader = Ring(memory, FRAME)
        arguments = [sys.executable, "-c", WRITER, str(descriptor), str(total), str(size)]
        with subprocess.Popen(arguments, pass_fds=[descriptor]) as writer:
            heard, lost = count_frames(reader, total)
        assert writer.returncode == 0
        reader.close()
    os.close(descriptor)
    assert heard > 0
    assert lost > 0
