"""The bounded queue: it drops the oldest block, or waits."""

from __future__ import annotations

import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.audio.blockqueue import BlockQueue
from edge.types import AudioBlock


def block(start: int, size: int = 10) -> AudioBlock:
    """Return a block of zeros."""
    return AudioBlock(np.zeros(size, np.float32), start)


def test_a_full_queue_drops_the_oldest_and_returns_the_number() -> None:
    """The newest blocks are kept, and the dropped samples are counted."""
    queue = BlockQueue(25)
    assert [queue.put_or_drop(block(start)) for start in (0, 10, 20, 30)] == [0, 0, 10, 10]
    assert queue.samples == 20
    assert [taken.start for taken in queue.take()] == [20, 30]
    assert (queue.samples, queue.take()) == (0, [])


@given(st.integers(1, 50), st.lists(st.integers(1, 200), max_size=20))
def test_never_more_waits_than_the_queue_may_hold(limit: int, sizes: list[int]) -> None:
    """The newest samples are kept without a hole, for any sizes, and the dropped ones are counted."""
    queue, at, dropped = BlockQueue(limit), 0, 0
    for size in sizes:
        dropped += queue.put_or_drop(AudioBlock(np.arange(at, at + size, dtype=np.float32), at))
        at += size
        assert queue.samples <= limit
    kept = queue.take()
    heard = np.concatenate([np.empty(0, np.float32), *(taken.samples for taken in kept)])
    assert heard.tolist() == list(range(dropped, at))
    assert not kept or kept[0].start == dropped


def test_a_writer_without_room_waits() -> None:
    """A block that does not fit is refused; an empty queue accepts any block."""
    for limit in (5, 15):
        queue = BlockQueue(limit)
        assert queue.put_or_wait(block(0), 0.0)
        assert not queue.put_or_wait(block(10), 0.0)
        assert [taken.start for taken in queue.take()] == [0]


def test_waiting_ends_when_there_is_room() -> None:
    """A waiting writer continues after the reader has taken blocks."""
    queue = BlockQueue(10)
    queue.put_or_wait(block(0), 0.0)
    done = threading.Event()

    def put() -> None:
        if queue.put_or_wait(block(10), 10.0):
            done.set()

    thread = threading.Thread(target=put)
    thread.start()
    assert [taken.start for taken in queue.take()] == [0]
    assert done.wait(5)
    thread.join()
    assert [taken.start for taken in queue.take()] == [10]
