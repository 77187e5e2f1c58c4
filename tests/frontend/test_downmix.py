"""The mono downmix: mean or loudest channel, for channels of any phase."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.frontend.downmix import Downmix, to_mono

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE = 16_000
SEGMENT = 512


def noise(seconds: float = 1.0, seed: int = 0, level: float = 0.1) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, level, round(seconds * RATE)).astype(np.float32)


def stack(*channels: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.stack(channels, axis=1)


def rms(samples: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


@pytest.mark.parametrize(
    "channels",
    [
        stack(noise(), noise()),
        stack(noise(), noise(seed=1)),
        stack(noise(), np.zeros(RATE, np.float32)),
        stack(noise() + np.float32(0.2), noise() - np.float32(0.2)),
        stack(*(noise(seed=seed) for seed in range(8))),
        np.zeros((RATE, 2), np.float32),
    ],
    ids=["alike", "unlike", "one of two", "offsets", "eight microphones", "silence"],
)
def test_channels_that_do_not_cancel_each_other_are_averaged(channels: NDArray[np.float32]) -> None:
    """The result is exactly the mean, without a remark."""
    mixer = Downmix()
    expected = channels[:, 0].copy()
    for channel in channels.T[1:]:
        expected += channel
    assert np.array_equal(mixer.push(channels), expected / np.float32(channels.shape[1]))
    assert mixer.remark == ""


@pytest.mark.parametrize(
    ("channels", "taken"),
    [
        (stack(noise(), -noise()), 0),
        (stack(-noise(level=0.05), noise(level=0.06)), 1),
        (stack(*[np.zeros(RATE, np.float32)] * 5, noise(), *[np.zeros(RATE, np.float32)] * 2), 5),
        (stack(noise(), noise(), -noise(), -noise()), 0),
        (stack(noise() + noise(seed=1, level=0.01), noise(seed=2, level=0.01) - noise(level=0.08)), 0),
    ],
    ids=["opposite", "one louder", "one of eight", "two pairs", "with noise of their own"],
)
def test_where_the_mean_loses_the_sound_the_loudest_channel_is_taken(channels: NDArray[np.float32], taken: int) -> None:
    """The channel is used from the second segment on, and named in the remark."""
    mixer = Downmix()
    mono = mixer.push(channels)
    assert np.array_equal(mono[2 * SEGMENT :], channels[2 * SEGMENT :, taken])
    assert f"channel {taken + 1} of {channels.shape[1]} alone" in mixer.remark


def scenes() -> NDArray[np.float32]:
    """Return two channels, in phase, in opposite phase and in phase again, with silent pauses."""
    parts = [(2, 1), (1, 0), (4, -1), (0.7, 0), (20, 1)]
    left = np.concatenate(
        [noise(s, seed=n) if sign else np.zeros(round(s * RATE), np.float32) for n, (s, sign) in enumerate(parts)]
    )
    signs = np.repeat([sign for _, sign in parts], [round(s * RATE) for s, _ in parts])
    return stack(left, left * signs.astype(np.float32))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 70_000), max_size=12))
@example([1, 1, 1, 1, 13308, 18432, 1536])  # rounds the powers of the two channels differently
def test_any_chunking_gives_the_same_samples(sizes: list[int]) -> None:
    """Any chunking gives exactly the samples of the whole."""
    channels = scenes()
    mixer, parts, at = Downmix(), [], 0
    for size in [*sizes, len(channels)]:
        parts.append(mixer.push(channels[at : at + size]))
        at = min(at + size, len(channels))
    assert np.array_equal(np.concatenate(parts), to_mono(channels))


def test_a_change_is_detected_without_a_click() -> None:
    """Changes take little time, and cause neither flutter nor a step between two samples."""
    t = np.arange(30 * RATE, dtype=np.float32) / RATE
    tone = (0.5 * np.sin(2 * np.pi * 100 * t)).astype(np.float32)
    sign = np.where((t > 5) & (t < 15), -1, 1).astype(np.float32)
    mono = to_mono(stack(tone, tone * sign))
    loud = [rms(mono[start : start + RATE]) > 0.3 for start in range(0, mono.size, RATE)]
    assert loud[:5] == [True] * 5
    assert loud[7:] == [True] * 23
    assert np.abs(np.diff(mono)).max() < 1.2 * np.abs(np.diff(tone)).max()
    assert np.allclose(mono[-RATE:], tone[-RATE:], atol=1e-6)


def test_one_channel_passes_as_it_is() -> None:
    """One channel is returned without a copy."""
    samples = noise()
    assert Downmix().push(samples) is samples
    assert np.shares_memory(Downmix().push(samples[:, None]), samples)


def test_another_number_of_channels_is_another_stream() -> None:
    """After a change of the number of channels, the downmix starts again."""
    mixer = Downmix()
    mixer.push(stack(noise(), -noise()))
    assert np.array_equal(mixer.push(stack(noise(), noise(), noise())), to_mono(stack(noise(), noise(), noise())))
    assert mixer.remark == ""
