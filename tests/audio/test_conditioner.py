"""Conditioning of chunks: valid samples and one channel, for live sources and recordings."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile as sf

from edge.audio.conditioner import Conditioner
from edge.audio.decode.recording import open_recording
from edge.audio.sources.source import Chunk
from edge.errors import BrokenAudio
from edge.frontend.samples import LIMIT

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE = 16_000


def noise(count: int = RATE) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(0, 0.1, count).astype(np.float32)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e38, -1e4])
def test_a_live_source_continues_after_invalid_samples(value: float, caplog: pytest.LogCaptureFixture) -> None:
    """Invalid samples become silence, are counted, and are logged once."""
    conditioner = Conditioner("mic")
    for _ in range(3):
        samples = np.stack((noise(), noise()), axis=1)
        samples[100:102, 1] = value
        chunk = conditioner.process(Chunk(samples, lost=7))
        assert chunk.lost == 7
        assert np.allclose(chunk.samples[100:102], noise()[100:102] / 2)
        assert np.array_equal(chunk.samples[102:], noise()[102:])
    assert conditioner.bad_samples == 6
    assert len(caplog.records) == 1
    assert "source mic: samples far beyond full scale" in caplog.text


def test_channels_in_opposite_phase_are_heard_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """The remark is logged once, even if the source is opened several times."""
    conditioner = Conditioner("door")
    for _ in range(3):
        conditioner.restart()
        assert conditioner.remark == ""
        mono = conditioner.process(Chunk(np.stack((noise(), -noise()), axis=1))).samples
        assert np.array_equal(mono[1024:], noise()[1024:])
        assert "channel 1 of 2 alone is heard" in conditioner.remark
    assert len(caplog.records) == 1
    assert "source door: its channels cancel each other" in caplog.text


def test_mono_sound_is_not_touched() -> None:
    """Valid mono samples are returned without a copy."""
    chunk = Chunk(noise())
    assert Conditioner("mic").process(chunk) is chunk


def make_wav(samples: NDArray[np.float32], kind: str = "FLOAT", rate_hz: int = RATE) -> io.BytesIO:
    file = io.BytesIO()
    sf.write(file, samples, rate_hz, format="WAV", subtype=kind)
    return file


@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e38, 1e20, 1e12, 32_767.0, -2 * LIMIT])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_recording_with_one_invalid_sample_is_damaged(value: float, channels: int) -> None:
    """The error names the time of the sample, in any channel."""
    samples = np.tile(noise(20 * RATE)[:, None], (1, channels))
    samples[19 * RATE, -1] = value
    with (
        open_recording(make_wav(samples)) as recording,
        pytest.raises(BrokenAudio, match=r"damaged: its sample at 19\.0 s is "),
    ):
        list(recording.blocks(RATE))


def test_a_recording_with_headroom_is_heard_as_it_is() -> None:
    """Float samples above full scale are valid."""
    with open_recording(make_wav(20 * noise())) as recording:
        assert np.array_equal(np.concatenate(list(recording.blocks(RATE))), 20 * noise())


@pytest.mark.parametrize("kind", ["PCM_16", "FLOAT"])
def test_a_recording_in_opposite_phase_is_heard_as_its_stream_is(kind: str) -> None:
    """Recording and stream give identical samples, and the recording has the same remark."""
    stereo = np.stack((noise(5 * RATE), -noise(5 * RATE)), axis=1)
    stereo = np.round(stereo * 32768) / np.float32(32768)
    with open_recording(make_wav(stereo, kind)) as recording:
        whole = np.concatenate(list(recording.blocks(RATE)))
        assert "channel 1 of 2 alone is heard" in recording.remark
    conditioner = Conditioner("pipe")
    parts = [conditioner.process(Chunk(stereo[at : at + 1_001])).samples for at in range(0, len(stereo), 1_001)]
    assert np.array_equal(np.concatenate(parts), whole)
    assert np.array_equal(whole[1024:], stereo[1024:, 0])
