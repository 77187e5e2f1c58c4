"""Several channels become one that has the sound in it, whatever their phase."""

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


def beside(*channels: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.stack(channels, axis=1)


def level(samples: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


@pytest.mark.parametrize(
    "channels",
    [
        beside(noise(), noise()),
        beside(noise(), noise(seed=1)),
        beside(noise(), np.zeros(RATE, np.float32)),
        beside(noise() + np.float32(0.2), noise() - np.float32(0.2)),
        beside(*(noise(seed=seed) for seed in range(8))),
        np.zeros((RATE, 2), np.float32),
    ],
    ids=["alike", "unlike", "one of two", "offsets", "eight microphones", "silence"],
)
def test_channels_that_do_not_cancel_each_other_are_averaged(channels: NDArray[np.float32]) -> None:
    """To the last bit, and without a remark."""
    mixer = Downmix()
    expected = channels[:, 0].copy()
    for channel in channels.T[1:]:
        expected += channel
    assert np.array_equal(mixer.push(channels), expected / np.float32(channels.shape[1]))
    assert mixer.remark == ""


@pytest.mark.parametrize(
    ("channels", "taken"),
    [
        (beside(noise(), -noise()), 0),
        (beside(-noise(level=0.05), noise(level=0.06)), 1),
        (beside(*[np.zeros(RATE, np.float32)] * 5, noise(), *[np.zeros(RATE, np.float32)] * 2), 5),
        (beside(noise(), noise(), -noise(), -noise()), 0),
        (beside(noise() + noise(seed=1, level=0.01), noise(seed=2, level=0.01) - noise(level=0.08)), 0),
    ],
    ids=["opposite", "one louder", "one of eight", "two pairs", "with noise of their own"],
)
def test_where_the_mean_loses_the_sound_the_loudest_channel_is_taken(channels: NDArray[np.float32], taken: int) -> None:
    """From the second segment on, and it is said which."""
    mixer = Downmix()
    mono = mixer.push(channels)
    assert np.array_equal(mono[2 * SEGMENT :], channels[2 * SEGMENT :, taken])
    assert f"channel {taken + 1} of {channels.shape[1]} alone" in mixer.remark


def scenes() -> NDArray[np.float32]:
    """Return two seconds alike, four in opposite phase, pauses of digital silence, and twenty alike again."""
    parts = [(2, 1), (1, 0), (4, -1), (0.7, 0), (20, 1)]
    left = np.concatenate(
        [noise(s, seed=n) if sign else np.zeros(round(s * RATE), np.float32) for n, (s, sign) in enumerate(parts)]
    )
    signs = np.repeat([sign for _, sign in parts], [round(s * RATE) for s, _ in parts])
    return beside(left, left * signs.astype(np.float32))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 70_000), max_size=12))
@example([1, 1, 1, 1, 13308, 18432, 1536])  # rounds the powers of the two channels unlike
def test_any_chunking_gives_the_same_samples(sizes: list[int]) -> None:
    """A live source sounds as the recording of it does, to the last bit."""
    channels = scenes()
    mixer, parts, at = Downmix(), [], 0
    for size in [*sizes, len(channels)]:
        parts.append(mixer.push(channels[at : at + size]))
        at = min(at + size, len(channels))
    assert np.array_equal(np.concatenate(parts), to_mono(channels))


def test_a_change_is_found_and_is_no_click() -> None:
    """It takes a moment in either direction, there is no flutter, and no step between two samples."""
    t = np.arange(30 * RATE, dtype=np.float32) / RATE
    tone = (0.5 * np.sin(2 * np.pi * 100 * t)).astype(np.float32)
    sign = np.where((t > 5) & (t < 15), -1, 1).astype(np.float32)
    mono = to_mono(beside(tone, tone * sign))
    loud = [level(mono[start : start + RATE]) > 0.3 for start in range(0, mono.size, RATE)]
    assert loud[:5] == [True] * 5
    assert loud[7:] == [True] * 23
    assert np.abs(np.diff(mono)).max() < 1.2 * np.abs(np.diff(tone)).max()
    assert np.allclose(mono[-RATE:], tone[-RATE:], atol=1e-6)


def test_one_channel_passes_as_it_is() -> None:
    """Nothing is copied, nothing is measured."""
    samples = noise()
    assert Downmix().push(samples) is samples
    assert np.shares_memory(Downmix().push(samples[:, None]), samples)


def test_another_number_of_channels_is_another_stream() -> None:
    """A camera may change over to mono, and back."""
    mixer = Downmix()
    mixer.push(beside(noise(), -noise()))
    assert np.array_equal(mixer.push(beside(noise(), noise(), noise())), to_mono(beside(noise(), noise(), noise())))
    assert mixer.remark == ""
