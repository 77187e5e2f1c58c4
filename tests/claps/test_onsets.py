"""Onsets of short sounds, in any chunking."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.claps.onsets import HOP_SAMPLES, Onset, OnsetDetector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

RATE_HZ = 16_000


def clap(peak: float = 0.5, decay_s: float = 0.01) -> NDArray[np.float32]:
    """Return a burst of noise that falls by e in `decay_s`."""
    time_s = np.arange(round(8 * decay_s * RATE_HZ)) / RATE_HZ
    burst = np.random.default_rng(4).uniform(-1, 1, time_s.size) * np.exp(-time_s / decay_s)
    return np.asarray(peak * burst, np.float32)


def scene(
    *begins_s: float, peaks: Sequence[float] = (), length_s: float = 3.0, hiss: float = 1e-4
) -> NDArray[np.float32]:
    """Return hiss with claps that begin at these seconds."""
    sound = np.random.default_rng(5).normal(0, hiss, round(length_s * RATE_HZ)).astype(np.float32)
    for n, begin_s in enumerate(begins_s):
        one = clap(peaks[n] if peaks else 0.5)
        begin = round(begin_s * RATE_HZ)
        sound[begin : begin + one.size] += one
    return sound


def find_onsets(sound: NDArray[np.float32], *sizes: int) -> list[Onset]:
    """Return the onsets of a sound in blocks of these sizes, repeated."""
    detector, onsets, start, n = OnsetDetector(), [], 0, 0
    while start < sound.size:
        size = sizes[n % len(sizes)] if sizes else sound.size
        onsets += detector.push(sound[start : start + size])
        start, n = start + size, n + 1
    return onsets + detector.push(np.zeros(detector.delay_samples, np.float32))


def times_s(onsets: Sequence[Onset]) -> list[float]:
    return [onset.at / RATE_HZ for onset in onsets]


def test_an_onset_is_found_within_a_hop_of_its_attack() -> None:
    """The resolution is 4 ms, and 10 ms are required."""
    begins_s = [0.5, 0.65, 1.3033, 2.1111]
    found = times_s(find_onsets(scene(*begins_s)))
    assert found == pytest.approx(begins_s, abs=HOP_SAMPLES / RATE_HZ)


@pytest.mark.parametrize("gain_db", [-50, -30, 0, 6])
def test_the_level_does_not_matter(gain_db: float) -> None:
    """A clap at the microphone clips, one across the room is faint; both are found."""
    sound = np.clip(scene(0.5, 0.9, hiss=1e-5) * 10 ** (gain_db / 20) * 2, -1, 1)
    assert times_s(find_onsets(sound)) == pytest.approx([0.5, 0.9], abs=0.004)


def test_echoes_are_not_onsets() -> None:
    """Neither early reflections nor the echo of a wall across the street count."""
    peaks = (0.5, 0.2, 0.1, 0.1, 0.05)
    assert times_s(find_onsets(scene(0.5, 0.52, 0.55, 0.63, 0.8, peaks=peaks))) == pytest.approx([0.5], abs=0.004)


def test_a_click_just_before_a_clap_does_not_hide_it() -> None:
    """The clap is much louder, and is an onset of its own."""
    onsets = find_onsets(scene(0.5, 0.53, peaks=(0.02, 0.5)))
    assert times_s(onsets)[-1] == pytest.approx(0.53, abs=0.004)
    assert onsets[-1].level_db > onsets[0].level_db + 20


def test_a_clap_after_a_louder_one_is_found() -> None:
    """A clap 9 dB below the last and 200 ms after it is an onset of its own."""
    assert len(find_onsets(scene(0.5, 0.7, peaks=(0.6, 0.21)))) == 2


def test_a_slow_rise_has_no_onset() -> None:
    """A lorry that approaches is loud, but has no attack."""
    time_s = np.arange(4 * RATE_HZ) / RATE_HZ
    noise = np.random.default_rng(6).normal(0, 1, time_s.size)
    assert find_onsets(np.asarray(noise * 1e-3 * 10 ** (time_s / 2), np.float32)) == []


def test_the_floor_follows_a_noise_that_stays() -> None:
    """Seconds after a fan starts, its noise is the floor."""
    sound = np.random.default_rng(7).normal(0, 1e-4, 8 * RATE_HZ).astype(np.float32)
    sound[3 * RATE_HZ :] *= 100
    one = clap(0.5)
    sound[7 * RATE_HZ : 7 * RATE_HZ + one.size] += one
    onsets = find_onsets(sound)
    assert times_s(onsets)[-1] == pytest.approx(7.0, abs=0.004)
    assert onsets[-1].above_db < 45


def test_the_start_of_a_stream_is_not_an_onset() -> None:
    """Neither within a noise nor after a gap."""
    noise = np.random.default_rng(8).normal(0, 0.1, RATE_HZ).astype(np.float32)
    detector = OnsetDetector()
    assert detector.push(noise) == []
    detector.reset(10 * RATE_HZ)
    assert detector.push(noise) == []


def test_indices_continue_after_a_gap() -> None:
    """An onset's index counts from the start of the stream."""
    detector = OnsetDetector()
    detector.push(scene(0.5))
    detector.reset(100_000)
    (onset,) = detector.push(scene(0.5))
    assert onset.at == pytest.approx(100_000 + 8_000, abs=HOP_SAMPLES)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 5_000), min_size=1, max_size=8))
def test_any_chunking_finds_the_same(sizes: list[int]) -> None:
    """The onsets are equal to the bit, so that a replay decides as the live service does."""
    sound = scene(0.4, 0.6, 1.1, 1.9, peaks=(0.5, 0.3, 0.02, 0.9))
    assert find_onsets(sound, *sizes) == find_onsets(sound)


def test_every_onset_before_the_certain_index_is_known() -> None:
    """No later block adds an onset before `certain_until`."""
    sound, detector = scene(0.4, 0.6, 1.1), OnsetDetector()
    for start in range(0, sound.size, 333):
        before = detector.certain_until
        assert all(onset.at >= before for onset in detector.push(sound[start : start + 333]))
        assert start + 333 - detector.certain_until <= detector.delay_samples + 333
