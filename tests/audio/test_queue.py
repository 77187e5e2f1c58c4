"""The bounded queue: drop the oldest, or wait."""

from __future__ import annotations

import threading

import numpy as np

from edge.audio.blockqueue import BlockQueue
from edge.types import AudioBlock


def block(start: int, size: int = 10) -> AudioBlock:
    """Return a block of zeros."""
    return AudioBlock(np.zeros(size, np.float32), start)


def test_a_full_queue_drops_the_oldest_and_says_how_much() -> None:
    """The newest sound survives, and the loss is told in samples."""
    queue = BlockQueue(25)
    assert [queue.put_or_drop(block(start)) for start in (0, 10, 20, 30)] == [0, 0, 10, 10]
    assert queue.samples == 20
    assert [taken.start for taken in queue.take()] == [20, 30]
    assert (queue.samples, queue.take()) == (0, [])


def test_a_block_longer_than_the_queue_is_held_alone() -> None:
    """One block always fits, else nothing would ever come through."""
    queue = BlockQueue(5)
    assert queue.put_or_wait(block(0), 0.0)
    assert not queue.put_or_wait(block(10), 0.0)
    assert queue.put_or_drop(block(10)) == 10
    assert [taken.start for taken in queue.take()] == [10]


def test_waiting_ends_when_there_is_room() -> None:
    """A reader that takes lets the writer go on."""
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
