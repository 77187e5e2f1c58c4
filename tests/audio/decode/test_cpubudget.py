"""Limit of the processor time for an upload with many bytes and little sound."""

from __future__ import annotations

import io
import shutil
import signal

import numpy as np
import pytest
import soundfile as sf

from edge.audio.decode import convert, cpubudget
from edge.audio.decode.cpubudget import CpuBudget
from edge.audio.decode.flac import find_next_flac
from edge.audio.decode.ogg import find_ogg_links
from edge.audio.decode.recording import open_recording
from edge.errors import BrokenAudio

RATE, SECONDS = 16_000, 3
PAGE_BEGINS = b"OggS\x00\x02"


class CountingFile(io.BytesIO):
    """File that counts the bytes read."""

    count = 0

    def read(self, size: int | None = -1) -> bytes:
        """Read and count."""
        data = super().read(size)
        self.count += len(data)
        return data


def encode(container: str, subtype: str) -> bytes:
    """Return some seconds of noise as a file."""
    file = io.BytesIO()
    noise = np.random.default_rng(5).normal(0, 0.1, SECONDS * RATE).astype(np.float32)
    sf.write(file, noise, RATE, format=container, subtype=subtype)
    return file.getvalue()


MADE = {
    kind: encode(*kind.split())
    for kind in ("OGG VORBIS", "OGG OPUS", "FLAC PCM_16", "MP3 MPEG_LAYER_III", "WAV FLOAT", "AIFF PCM_16")
}


def measure_s(data: bytes, max_s: float | None) -> float:
    """Return the decoded seconds of a recording."""
    with open_recording(io.BytesIO(data), max_s=max_s) as recording:
        return sum(block.size for block in recording.blocks(RATE)) / RATE


@pytest.mark.parametrize("kind", MADE)
def test_a_recording_that_takes_too_long_is_refused_as_an_upload(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every decoder is limited for an upload, and none for a file of this node."""
    assert measure_s(MADE[kind], 60.0) == pytest.approx(SECONDS, abs=0.1)
    monkeypatch.setattr(cpubudget, "_INITIAL_S", -1.0)
    assert measure_s(MADE[kind], None) == pytest.approx(SECONDS, abs=0.1)
    with pytest.raises(BrokenAudio, match="is damaged: it takes too long to read"):
        measure_s(MADE[kind], 60.0)


def test_the_budget_may_run_out_in_the_middle() -> None:
    """Less than nine tenths are decoded when the time is over."""
    with open_recording(io.BytesIO(MADE["WAV FLOAT"]), max_s=60.0) as recording:
        recording._first.view.budget._left_s = -60.0  # type: ignore[attr-defined]
        with pytest.raises(BrokenAudio, match=r"is damaged: it cannot be decoded beyond [01]\.\d s"):
            list(recording.blocks(RATE))


def test_decoded_sound_extends_the_budget() -> None:
    """Time without sound uses the budget up; sound adds to it."""
    budget, exhausted = CpuBudget(limited=True), []
    with budget.measure():
        exhausted.append(budget.exhausted)
    budget._left_s = -1.0
    exhausted.append(budget.exhausted)
    budget.extend(20.0)
    exhausted.append(budget.exhausted)
    assert exhausted == [False, True, False]
    unlimited = CpuBudget(limited=False)
    unlimited._left_s -= 1e9
    assert not unlimited.exhausted


def test_bytes_that_look_like_headers_are_read_once() -> None:
    """Many false headers after the sound are read once, and are not part of it."""
    sound = MADE["OGG VORBIS"]
    file = CountingFile(sound + PAGE_BEGINS * 50_000)
    assert [link.end for link in find_ogg_links(file, len(file.getvalue()))] == [len(sound)]
    assert file.count < 3 * len(file.getvalue())
    file = CountingFile(MADE["FLAC PCM_16"] + b"fLaC\x00" * 50_000)
    assert find_next_flac(file, 1, len(file.getvalue())) is None
    assert file.count < 3 * len(file.getvalue())


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_ffmpeg_is_ended_when_it_finds_no_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of empty boxes, which would take minutes, is refused."""
    monkeypatch.setattr(convert, "get_cpu_limit_s", lambda _: 0.1)
    monkeypatch.setattr(convert, "_GRACE_S", 0)
    ended: list[int] = []
    stop = convert.ConvertedReader._stop

    def noted(reader: convert.ConvertedReader) -> None:
        stop(reader)
        ended.append(reader._process.returncode)

    monkeypatch.setattr(convert.ConvertedReader, "_stop", noted)
    with pytest.raises(BrokenAudio, match="ffmpeg finds no sound in the file"):
        measure_s(b"\0\0\0\x20ftypM4A " + bytes(20) + b"\0\0\0\x08free" * 2_500_000, 60.0)
    assert ended == [-signal.SIGKILL]
