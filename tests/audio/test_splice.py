"""Sample indices with resampling, losses and breaks."""

from __future__ import annotations

from types import GeneratorType
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.audio.sources.source import Chunk
from edge.audio.splice import Splicer
from edge.frontend.resample import StreamResampler

if TYPE_CHECKING:
    from edge.types import AudioBlock

RATE = 16_000


def sound(count: int) -> np.ndarray:
    """Return noise."""
    return np.random.default_rng(count).normal(0, 0.1, count).astype(np.float32)


@given(st.lists(st.integers(0, 3_000), min_size=1, max_size=12), st.sampled_from([8_000, 16_000, 44_100, 48_000]))
def test_any_chunking_gives_one_stretch(sizes: list[int], rate_hz: int) -> None:
    """Blocks join without a gap, with the samples of one resampling of the whole."""
    whole, splicer = sound(sum(sizes)), Splicer(RATE)
    blocks: list[AudioBlock] = []
    begin = 0
    for size in sizes:
        blocks += splicer.push(Chunk(whole[begin : begin + size]), rate_hz)
        begin += size
    blocks += splicer.finish()
    assert [block.start for block in blocks] == list(np.cumsum([0, *(block.samples.size for block in blocks)])[:-1])
    joined = np.concatenate([np.empty(0, np.float32), *(block.samples for block in blocks)])
    assert np.allclose(joined, StreamResampler(rate_hz, RATE).push(whole, last=True), atol=1e-6)
    assert splicer.gap_samples == 0


def test_a_loss_is_a_jump_and_no_sound_spans_it() -> None:
    """The rest from the resampler comes before the jump, and a new filter starts after it."""
    splicer = Splicer(RATE)
    before = list(splicer.push(Chunk(sound(48_000)), 48_000))
    after = list(splicer.push(Chunk(sound(24_000), lost=4_800), 48_000))
    end = before[-1].start + before[-1].samples.size
    assert after[0].start == end
    assert after[0].start + after[0].samples.size == pytest.approx(16_000, abs=1)
    assert after[1].start == pytest.approx(16_000 + 1_600, abs=1)
    fresh = StreamResampler(48_000, RATE).push(sound(24_000))
    assert np.array_equal(after[1].samples, fresh)
    assert splicer.gap_samples == 1_600


def test_no_block_is_longer_than_a_second() -> None:
    """A chunk of one minute is split into blocks of one second."""
    splicer = Splicer(RATE)
    blocks = [*splicer.push(Chunk(sound(60 * 8_000)), 8_000), *splicer.finish()]
    assert max(block.samples.size for block in blocks) == RATE
    assert [block.start for block in blocks[1:]] == [block.start + block.samples.size for block in blocks[:-1]]


def test_a_cut_skips_at_least_one_sample() -> None:
    """A break of unknown length is a gap of one sample."""
    splicer = Splicer(RATE)
    first = list(splicer.push(Chunk(sound(100)), RATE))
    assert list(splicer.cut(0)) == []
    second = list(splicer.push(Chunk(sound(100)), RATE))
    assert (first[0].start, second[0].start) == (0, 101)


def test_a_cut_before_the_first_sample_skips_nothing() -> None:
    """A source that is opened for the first time starts at index 0."""
    splicer = Splicer(RATE)
    assert list(splicer.cut(500)) == []
    assert [block.start for block in splicer.push(Chunk(sound(10)), RATE)] == [0]


def test_a_caller_may_stop_while_the_rest_is_delivered() -> None:
    """If the caller stops in the middle of `finish`, the next chunk begins a new stretch."""
    splicer = Splicer(RATE)
    before = [*splicer.push(Chunk(sound(48_000)), 48_000)]
    tail = splicer.finish()
    before.append(next(tail))
    assert isinstance(tail, GeneratorType)
    tail.close()
    assert list(splicer.cut(100)) == []
    assert next(splicer.push(Chunk(sound(48_000)), 48_000)).start == RATE + 100
    assert before[-1].start + before[-1].samples.size == RATE


def test_another_rate_begins_another_stretch() -> None:
    """A microphone that returns at another rate continues at the right index after a gap."""
    splicer = Splicer(RATE)
    list(splicer.push(Chunk(sound(48_000)), 48_000))
    list(splicer.finish())
    list(splicer.cut(RATE))
    blocks = list(splicer.push(Chunk(sound(44_100)), 44_100))
    assert blocks[0].start == 2 * RATE
    assert splicer.position == 3 * RATE
