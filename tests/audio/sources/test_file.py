"""The source of a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile as sf

from edge.audio.decode.recording import open_recording
from edge.audio.sources.file import FileSource
from edge.settings.source_spec import FileSpec, parse_source
from edge.types import SourceState
from tests.audio.listener import RATE, Listener

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Clock:
    """Monotonic clock that only `sleep` advances."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Write 2.5 s of stereo noise at 44.1 kHz; return the path."""
    path = tmp_path / "noise.flac"
    sf.write(path, np.random.default_rng(0).normal(0, 0.1, (110_250, 2)), 44_100)
    return path


def decode(path: Path) -> np.ndarray:
    """Return the samples that a replay reads."""
    with open_recording(path) as opened:
        return np.concatenate(list(opened.blocks(RATE)))


@pytest.mark.parametrize("speed", ["max", "40", "10"])
def test_the_samples_are_those_of_a_replay(listen: Callable[..., Listener], recording: Path, speed: str) -> None:
    """They are identical at every speed, from index 0 without a gap."""
    listener = listen(f"file:{recording}?speed={speed}")
    listener.collect_all()
    assert np.array_equal(listener.samples, decode(recording))
    assert (listener.blocks[0].start, listener.gaps) == (0, [])
    stats = listener.runner.stats()
    assert (stats.state, stats.detail) == (SourceState.OFFLINE, "end of file")


def play(spec: str, clock: Clock, seconds: float) -> list[tuple[float, int]]:
    """Return the time and the length of each block, for `seconds` of sound."""
    parsed = parse_source(spec)
    assert isinstance(parsed, FileSpec)
    source = FileSource(parsed, RATE, clock, clock.sleep)
    source.open()
    blocks: list[tuple[float, int]] = []
    while sum(size for _, size in blocks) < seconds * RATE and (chunk := source.read()) is not None:
        if chunk.samples.size:
            blocks.append((clock.now_s, chunk.samples.size))
    source.close()
    return blocks


@pytest.mark.parametrize("speed", [1.0, 4.0, 0.5])
def test_blocks_come_when_their_last_sample_is_due(recording: Path, speed: float) -> None:
    """The deadlines are absolute, so blocks do not drift."""
    blocks = play(f"file:{recording}?speed={speed}", Clock(), 2.5)
    ends = np.cumsum([size for _, size in blocks])
    assert [when for when, _ in blocks] == pytest.approx((100 + ends / RATE / speed).tolist())


def test_no_wait_is_long(recording: Path) -> None:
    """A slow playback never sleeps more than a quarter of a second."""
    clock = Clock()
    play(f"file:{recording}?speed=0.01", clock, 0.2)
    assert max(clock.slept) <= 0.25


def test_a_loop_goes_on_without_a_gap(listen: Callable[..., Listener], recording: Path) -> None:
    """Each pass has the same samples, and follows at the next index."""
    listener = listen(f"file:{recording}?loop=1&speed=max")
    once = decode(recording)
    listener.collect_until(lambda: listener.samples.size >= 3 * once.size)
    assert np.array_equal(listener.samples[: 3 * once.size], np.tile(once, 3))
    assert listener.gaps == []
    assert not listener.runner.stats().finished


def test_a_file_has_a_time_of_its_own(listen: Callable[..., Listener], recording: Path) -> None:
    """Two seconds of the recording are two seconds of its timeline, at any speed."""
    listener = listen(f"file:{recording}?speed=max")
    listener.collect_all()
    utc = listener.runner.timeline.utc
    assert (utc(2 * RATE) - utc(0)).total_seconds() == pytest.approx(2)


def test_a_missing_file_is_waited_for(listen: Callable[..., Listener], recording: Path) -> None:
    """The source is offline with the reason, and plays once the file exists."""
    there = recording.with_name("later.flac")
    listener = listen(f"file:{there}?speed=max")
    listener.collect_until(lambda: "there is no such file" in listener.runner.stats().detail)
    recording.rename(there)
    listener.collect_all()
    assert listener.samples.size == decode(there).size
