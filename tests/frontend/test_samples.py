"""Valid and invalid sample values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.frontend.samples import LIMIT, are_valid, silence_invalid

FLOATS = st.floats(width=32)


@given(st.lists(FLOATS, max_size=40), st.sampled_from([1, 2, 5]))
def test_invalid_samples_become_silence_and_valid_ones_are_kept(values: list[float], channels: int) -> None:
    """NaN, infinities and huge values become silence and are counted; the rest is unchanged."""
    samples = np.asarray(values, np.float32)[: len(values) // channels * channels].reshape(-1, channels)
    good = np.isfinite(samples) & (np.abs(samples) <= LIMIT)
    kept, bad = silence_invalid(samples)
    assert are_valid(kept)
    assert kept.shape == samples.shape
    assert kept.dtype == np.float32
    assert np.array_equal(kept[good], samples[good])
    assert not kept[~good].any()
    assert bad == np.count_nonzero(~good)
    assert are_valid(samples) == (bad == 0)


@pytest.mark.parametrize("value", [LIMIT, -LIMIT, 1e-45, -1e-38, 0.0, 2.5])
def test_values_above_full_scale_are_kept(value: float) -> None:
    """Values up to 60 dB above full scale are returned without a copy."""
    samples = np.full(3, value, np.float32)
    assert silence_invalid(samples)[0] is samples


@pytest.mark.parametrize(
    "value", [np.nextafter(np.float32(LIMIT), np.float32(np.inf)), 1e4, 1e38, np.inf, -np.inf, np.nan]
)
def test_one_bad_sample_among_many_is_found(value: float) -> None:
    """It is found at any position."""
    for place in (0, 500, 999):
        samples = np.zeros(1000, np.float32)
        samples[place] = value
        assert not are_valid(samples)
        assert silence_invalid(samples)[1] == 1
