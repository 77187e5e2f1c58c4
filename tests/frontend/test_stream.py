"""The stream's features are the clip's, however the sound was cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.frontend.mel import log_mel
from edge.frontend.params import FrontEndParams
from edge.frontend.resample import StreamResampler
from edge.frontend.stream import StreamingFrames

PARAMS = FrontEndParams()


def sound(n: int = 20_000) -> np.ndarray:
    rng = np.random.default_rng(7)
    return (rng.normal(0, 1, n) * np.geomspace(1e-6, 1.0, n)).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4000), min_size=1, max_size=40))
def test_any_chunking_gives_the_features_of_the_whole_clip(sizes: list[int]) -> None:
    """Differences stay within 1e-5."""
    clip = sound()
    stream, parts, at = StreamingFrames(PARAMS), [], 0
    for size in [*sizes, clip.size]:
        parts.append(stream.push(clip[at : at + size])[1])
        at += size
    features = np.concatenate(parts)
    whole = log_mel(clip, PARAMS)
    assert features.shape == whole.shape
    assert np.abs(features - whole).max(initial=0.0) <= 1e-5


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 5000), min_size=1, max_size=30), st.sampled_from([2, 8]))
def test_in_groups_any_chunking_gives_the_very_same_bits(sizes: list[int], group: int) -> None:
    """Replay and live need not differ even by rounding."""
    clip = sound()
    whole = StreamingFrames(PARAMS, group).push(clip)[1]
    stream, parts, at = StreamingFrames(PARAMS, group), [], 0
    for size in [*sizes, clip.size]:
        power, mel = stream.push(clip[at : at + size])
        assert len(mel) % group == 0
        assert len(power) == len(mel)
        parts.append(mel)
        at += size
    if group == 8:  # the rows of one matrix product
        assert np.array_equal(np.concatenate(parts), whole)
    else:
        assert np.abs(np.concatenate(parts) - whole).max(initial=0.0) <= 1e-5


def test_a_reset_forgets_what_was_waiting() -> None:
    """No frame spans a gap."""
    clip = sound()
    stream = StreamingFrames(PARAMS)
    stream.push(clip[:700])
    stream.reset()
    assert stream.waiting_samples == 0
    assert np.array_equal(stream.push(clip[700:5000])[1], StreamingFrames(PARAMS).push(clip[700:5000])[1])


def test_a_group_of_nothing_is_refused() -> None:
    """It would never hand out a frame."""
    with pytest.raises(ValueError, match="group"):
        StreamingFrames(PARAMS, 0)


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 48_000, 96_000])
def test_resampling_in_chunks_is_resampling_in_one_go(rate: int) -> None:
    """The filter's state crosses block borders."""
    clip = sound(rate)
    whole = StreamResampler(rate, 16_000).push(clip, last=True)
    stream = StreamResampler(rate, 16_000)
    parts = [stream.push(clip[i : i + 777], last=i + 777 >= clip.size) for i in range(0, clip.size, 777)]
    joined = np.concatenate(parts)
    assert abs(joined.size - 16_000) <= 1
    assert np.abs(joined - whole).max() < 1e-6


def test_a_tone_above_the_new_band_vanishes_instead_of_folding_down() -> None:
    """15 kHz must not become a loud 1 kHz."""
    t = np.arange(48_000) / 48_000
    out = StreamResampler(48_000, 16_000).push(np.sin(2 * np.pi * 15_000 * t).astype(np.float32), last=True)
    assert np.abs(out[1000:-1000]).max() < 1e-4


def test_equal_rates_pass_through() -> None:
    """The cheap case stays cheap."""
    clip = sound(100)
    assert StreamResampler(16_000, 16_000).push(clip) is clip
