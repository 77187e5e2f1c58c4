"""An upload that has much to read and little to hear costs no more than its sound may."""

from __future__ import annotations

import io
import shutil
import signal

import numpy as np
import pytest
import soundfile as sf

from edge.audio.decode import convert, effort
from edge.audio.decode.clip import open_clip
from edge.audio.decode.effort import Effort
from edge.audio.decode.flac import next_flac
from edge.audio.decode.ogg import ogg_links
from edge.errors import BrokenAudio

RATE, SECONDS = 16_000, 3
PAGE_BEGINS = b"OggS\x00\x02"


class Counted(io.BytesIO):
    """A file that counts the bytes that are read of it."""

    count = 0

    def read(self, size: int | None = -1) -> bytes:
        """Read, and count."""
        data = super().read(size)
        self.count += len(data)
        return data


def encoded(container: str, subtype: str) -> bytes:
    """Return some seconds of noise."""
    file = io.BytesIO()
    noise = np.random.default_rng(5).normal(0, 0.1, SECONDS * RATE).astype(np.float32)
    sf.write(file, noise, RATE, format=container, subtype=subtype)
    return file.getvalue()


MADE = {
    kind: encoded(*kind.split())
    for kind in ("OGG VORBIS", "OGG OPUS", "FLAC PCM_16", "MP3 MPEG_LAYER_III", "WAV FLOAT", "AIFF PCM_16")
}


def heard_s(data: bytes, max_s: float | None) -> float:
    """Return the seconds that are heard of a recording."""
    with open_clip(io.BytesIO(data), max_s=max_s) as clip:
        return sum(block.size for block in clip.blocks(RATE)) / RATE


@pytest.mark.parametrize("kind", MADE)
def test_a_recording_that_takes_too_long_is_refused_as_an_upload(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever decodes it; what somebody plays at this node may take its time."""
    assert heard_s(MADE[kind], 60.0) == pytest.approx(SECONDS, abs=0.1)
    monkeypatch.setattr(effort, "_BEGIN_S", -1.0)
    assert heard_s(MADE[kind], None) == pytest.approx(SECONDS, abs=0.1)
    with pytest.raises(BrokenAudio, match="is damaged: it takes too long to read"):
        heard_s(MADE[kind], 60.0)


def test_time_may_also_run_out_in_the_middle() -> None:
    """What was heard until then was too little."""
    with open_clip(io.BytesIO(MADE["WAV FLOAT"]), max_s=60.0) as clip:
        clip._first.view.effort._left_s = -60.0  # type: ignore[attr-defined]
        with pytest.raises(BrokenAudio, match=r"is damaged: it cannot be decoded beyond [01]\.\d s"):
            list(clip.blocks(RATE))


def test_sound_pays_for_the_time_it_takes() -> None:
    """Time that brings no sound is used up once, over all parts of a recording."""
    worked = Effort(bounded=True)
    with worked.counted():
        assert not worked.too_much
    worked._left_s = -1.0
    assert worked.too_much
    worked.reward(20.0)
    assert not worked.too_much
    endless = Effort(bounded=False)
    endless._left_s -= 1e9
    assert not endless.too_much


def test_what_looks_like_a_beginning_is_read_once() -> None:
    """However often it comes; and it is no part of the sound before it."""
    sound = MADE["OGG VORBIS"]
    file = Counted(sound + PAGE_BEGINS * 50_000)
    assert [link.end for link in ogg_links(file, len(file.getvalue()))] == [len(sound)]
    assert file.count < 3 * len(file.getvalue())
    file = Counted(MADE["FLAC PCM_16"] + b"fLaC\x00" * 50_000)
    assert next_flac(file, 1, len(file.getvalue())) is None
    assert file.count < 3 * len(file.getvalue())


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_ffmpeg_is_ended_when_it_finds_no_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of empty boxes would keep it busy for minutes."""
    monkeypatch.setattr(convert, "allowed_s", lambda _: 0.1)
    monkeypatch.setattr(convert, "_GRACE_S", 0)
    ended: list[int] = []
    stop = convert.ConvertedReader._stop

    def noted(reader: convert.ConvertedReader) -> None:
        stop(reader)
        ended.append(reader._process.returncode)

    monkeypatch.setattr(convert.ConvertedReader, "_stop", noted)
    with pytest.raises(BrokenAudio, match="ffmpeg finds no sound in the file"):
        heard_s(b"\0\0\0\x20ftypM4A " + bytes(20) + b"\0\0\0\x08free" * 2_500_000, 60.0)
    assert ended == [-signal.SIGKILL]
