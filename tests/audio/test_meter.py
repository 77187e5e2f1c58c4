"""Detection of digital silence and clipping."""

from __future__ import annotations

import numpy as np
import pytest

from edge.audio.meter import SignalMeter
from edge.types import SourceState

RATE = 16_000
BLOCK = RATE // 10


def measure(*parts: np.ndarray) -> SignalMeter:
    """Feed samples to a meter in blocks of a tenth of a second; return the meter."""
    meter = SignalMeter()
    sound = np.concatenate(parts).astype(np.float32)
    for begin in range(0, sound.size, BLOCK):
        meter.push(sound[begin : begin + BLOCK], RATE)
    return meter


def noise(seconds: float, level: float = 0.1) -> np.ndarray:
    """Return noise within ±0.9."""
    return np.clip(np.random.default_rng(0).normal(0, level, round(seconds * RATE)), -0.9, 0.9)


def constant(seconds: float, value: float = 0.0) -> np.ndarray:
    """Return constant samples."""
    return np.full(round(seconds * RATE), value)


def clipped(seconds: float, share: float) -> np.ndarray:
    """Return noise with this share of samples at full scale."""
    sound = noise(seconds)
    sound[:: round(1 / share)] = 32767 / 32768
    return sound


@pytest.mark.parametrize(
    ("parts", "state"),
    [
        ([noise(3)], SourceState.ONLINE),
        ([noise(3, 2e-4)], SourceState.ONLINE),
        ([noise(1), constant(9.9)], SourceState.ONLINE),
        ([noise(1), constant(10.2)], SourceState.SILENT),
        ([constant(10.2, 0.01)], SourceState.SILENT),
        ([constant(20), noise(0.1)], SourceState.ONLINE),
        ([clipped(2, 0.002)], SourceState.CLIPPING),
        ([clipped(2, 0.0005)], SourceState.ONLINE),
        ([clipped(0.3, 0.01)], SourceState.ONLINE),
        ([clipped(1, 0.01), noise(3)], SourceState.ONLINE),
        ([noise(10), clipped(1, 0.01)], SourceState.CLIPPING),
    ],
)
def test_state(parts: list[np.ndarray], state: SourceState) -> None:
    """Ten constant seconds are silent; 0.1 % of two seconds at full scale is clipping."""
    assert measure(*parts).state is state


def test_clipped_seconds_are_counted() -> None:
    """The total grows by the clipped seconds only."""
    assert measure(noise(2), clipped(3, 0.01), noise(4)).clipped_s == pytest.approx(3, abs=0.5)
    assert measure(noise(5)).clipped_s == 0


def test_restart_forgets_the_silence_and_keeps_the_count() -> None:
    """After a restart the state is online, and the total is kept."""
    meter = measure(clipped(1, 0.01), constant(20))
    meter.restart()
    assert (meter.state, meter.silent_s) == (SourceState.ONLINE, 0)
    assert meter.clipped_s > 0
