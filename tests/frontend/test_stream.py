"""Features and resampling of a stream: equal to those of the whole, for any chunking."""

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
    """Differences are at most 1e-5."""
    recording = sound()
    stream, parts, at = StreamingFrames(PARAMS), [], 0
    for size in [*sizes, recording.size]:
        parts.append(stream.push(recording[at : at + size])[1])
        at += size
    features = np.concatenate(parts)
    whole = log_mel(recording, PARAMS)
    assert features.shape == whole.shape
    assert np.abs(features - whole).max(initial=0.0) <= 1e-5


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 5000), min_size=1, max_size=30), st.sampled_from([2, 8]))
def test_in_groups_any_chunking_gives_identical_features(sizes: list[int], group: int) -> None:
    """With groups, replay and live do not differ by rounding."""
    recording = sound()
    whole = StreamingFrames(PARAMS, group).push(recording)[1]
    stream, parts, at = StreamingFrames(PARAMS, group), [], 0
    for size in [*sizes, recording.size]:
        power, mel = stream.push(recording[at : at + size])
        assert len(mel) % group == 0
        assert len(power) == len(mel)
        parts.append(mel)
        at += size
    if group == 8:  # the rows of one matrix product
        assert np.array_equal(np.concatenate(parts), whole)
    else:
        assert np.abs(np.concatenate(parts) - whole).max(initial=0.0) <= 1e-5


def test_a_reset_drops_the_waiting_samples() -> None:
    """After a reset, no frame contains earlier samples."""
    recording = sound()
    stream = StreamingFrames(PARAMS)
    stream.push(recording[:700])
    stream.reset()
    assert stream.waiting_samples == 0
    assert np.array_equal(stream.push(recording[700:5000])[1], StreamingFrames(PARAMS).push(recording[700:5000])[1])


def test_an_empty_group_is_refused() -> None:
    """A group of zero frames is an error."""
    with pytest.raises(ValueError, match="group"):
        StreamingFrames(PARAMS, 0)


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 48_000, 96_000])
def test_resampling_in_chunks_equals_resampling_the_whole(rate: int) -> None:
    """The state of the filter is kept between blocks."""
    recording = sound(rate)
    whole = StreamResampler(rate, 16_000).push(recording, last=True)
    stream = StreamResampler(rate, 16_000)
    parts = [stream.push(recording[i : i + 777], last=i + 777 >= recording.size) for i in range(0, recording.size, 777)]
    joined = np.concatenate(parts)
    assert abs(joined.size - 16_000) <= 1
    assert np.abs(joined - whole).max() < 1e-6


def test_a_tone_above_the_new_band_is_removed() -> None:
    """15 kHz is not aliased to 1 kHz."""
    t = np.arange(48_000) / 48_000
    out = StreamResampler(48_000, 16_000).push(np.sin(2 * np.pi * 15_000 * t).astype(np.float32), last=True)
    assert np.abs(out[1000:-1000]).max() < 1e-4


def test_equal_rates_pass_through() -> None:
    """With equal rates the samples are returned without a copy."""
    recording = sound(100)
    assert StreamResampler(16_000, 16_000).push(recording) is recording
