"""Recordings of every kind become the same mono samples; what is none is told apart."""

from __future__ import annotations

import io
import os
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.audio.decode.clip import open_clip
from edge.audio.decode.header import looks_like_audio
from edge.errors import BrokenAudio, DataError, EmptyInput, Forbidden, InputMissing, NotAudio, TooLarge
from edge.frontend.resample import StreamResampler

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

RATE = 16_000
KINDS = {
    "wav": ("WAV", "PCM_16"),
    "wav float": ("WAV", "FLOAT"),
    "wav 24": ("WAV", "PCM_24"),
    "flac": ("FLAC", "PCM_16"),
    "vorbis": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}
RATES = (8_000, 12_000, 16_000, 22_050, 24_000, 44_100, 48_000, 96_000)
ONLY = {"opus": {8_000, 12_000, 16_000, 24_000, 48_000}, "mp3": {8_000, 12_000, 16_000, 22_050, 24_000, 44_100, 48_000}}
MOST_CHANNELS = {"mp3": 2}


def tone(seconds: float, rate_hz: int = RATE, channels: int = 1) -> NDArray[np.float32]:
    """Return a tone of 440 Hz, RMS 0.2, the same in every channel."""
    mono = 0.2 * np.sqrt(2) * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate_hz)) / rate_hz)
    return np.repeat(mono[:, None], channels, axis=1).astype(np.float32)


def encoded(kind: str, samples: NDArray[np.float32], rate_hz: int = RATE) -> bytes:
    """Return a file of this kind."""
    buffer = io.BytesIO()
    file_format, subtype = KINDS[kind]
    sf.write(buffer, samples, rate_hz, format=file_format, subtype=subtype)
    return buffer.getvalue()


def decoded(data: bytes, **options: float) -> NDArray[np.float32]:
    """Return the samples of a file at 16 kHz."""
    with open_clip(io.BytesIO(data), **options) as clip:
        return np.concatenate(list(clip.blocks(RATE)))


CASES = [
    (kind, rate_hz, channels)
    for kind in KINDS
    for rate_hz in RATES
    for channels in (1, 2, 8)
    if rate_hz in ONLY.get(kind, RATES) and channels <= MOST_CHANNELS.get(kind, 8)
]


@pytest.mark.parametrize(("kind", "rate_hz", "channels"), CASES)
def test_every_format_rate_and_channel_count(kind: str, rate_hz: int, channels: int) -> None:
    """A second and a half of tone comes out with its length, level and frequency."""
    data = encoded(kind, tone(1.5, rate_hz, channels), rate_hz)
    with open_clip(io.BytesIO(data)) as clip:
        assert (clip.rate_hz, clip.channels) == (rate_hz, channels)
        assert clip.duration_s == pytest.approx(1.5, abs=0.1)
        blocks = list(clip.blocks(RATE))
    assert [block.size for block in blocks[:2]] == [8000, 8000]
    samples = np.concatenate(blocks)
    assert samples.dtype == np.float32
    assert samples.size / RATE == pytest.approx(1.5, abs=0.1)
    middle = samples[4000:20000]
    low_only = (kind, channels) == ("opus", 8)  # its eighth channel is for a subwoofer, and loses the tone
    assert np.sqrt(np.square(middle).mean()) == pytest.approx(0.2 * (7 / 8 if low_only else 1), rel=0.05)
    assert np.argmax(np.abs(np.fft.rfft(middle))) == pytest.approx(440, abs=1)


@pytest.mark.parametrize("seconds", [0.1, 0.001, 1 / RATE])
def test_short_clips(seconds: float) -> None:
    """A tenth of a second, and even one sample, is a clip."""
    assert decoded(encoded("wav", tone(seconds))).size == round(seconds * RATE)


@pytest.mark.parametrize("rate_hz", [RATE, 44_100])
def test_the_samples_do_not_depend_on_the_block(rate_hz: int) -> None:
    """Any block length gives the samples that one resampling of the whole gives."""
    sound = np.random.default_rng(3).normal(0, 0.1, 12 * rate_hz).astype(np.float32)
    data = encoded("wav float", sound, rate_hz)
    results = []
    for block_s in (0.0371, 0.5, 100.0):
        with open_clip(io.BytesIO(data)) as clip:
            results.append(np.concatenate(list(clip.blocks(RATE, block_s))))
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])
    assert np.allclose(results[0], StreamResampler(rate_hz, RATE).push(sound, last=True), atol=1e-6)


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_path_and_an_open_file_give_the_same(kind: str, tmp_path: Path) -> None:
    """Uploads and files on disk share every sample, whatever the file is called."""
    path = tmp_path / "sound.raw"
    path.write_bytes(encoded(kind, tone(1.0, 48_000, 2), 48_000))
    with open_clip(path) as clip:
        assert np.array_equal(np.concatenate(list(clip.blocks(RATE))), decoded(path.read_bytes()))


def wav_with_length(length: int) -> bytes:
    """Return a second of WAV whose header promises `length` bytes of samples."""
    data = bytearray(encoded("wav", tone(1.0)))
    place = data.index(b"data") + 4
    data[place : place + 4] = struct.pack("<I", length)
    return bytes(data)


def test_a_wav_written_into_a_pipe_is_whole() -> None:
    """A length that was not known when the header was written promises nothing."""
    assert decoded(wav_with_length(0xFFFFFFFF)).size == RATE


def test_a_wav_that_lacks_a_little_is_played_to_where_it_ends() -> None:
    """Up to a tenth may be missing, as after a power cut."""
    assert decoded(wav_with_length(34_000)).size == RATE
    assert decoded(encoded("wav", tone(1.0))[:-2000]).size == RATE - 1000


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3"])
def test_a_little_that_is_missing_is_remarked(kind: str) -> None:
    """What is there is heard, and how much that is, is said."""
    data = encoded(kind, np.random.default_rng(1).normal(0, 0.1, 20 * RATE).astype(np.float32))
    for part, words in ((1.0, "^$"), (0.95, r"^it is cut off or damaged: 9[345]% of it is heard$")):
        with open_clip(io.BytesIO(data[: round(part * len(data))])) as clip:
            assert sum(block.size for block in clip.blocks(RATE)) == pytest.approx(part * 20 * RATE, rel=0.02)
            assert re.search(words, clip.remark)


def with_value(value: float) -> bytes:
    """Return a float WAV that has one sample of this value."""
    samples = tone(1.0)
    samples[5000] = value
    return encoded("wav float", samples)


def half(kind: str) -> bytes:
    """Return the first half of a file."""
    data = encoded(kind, tone(2.0))
    return data[: len(data) // 2]


def noise(seed: int) -> bytes:
    """Return bytes that mean nothing."""
    return np.random.default_rng(seed).bytes(20_000)


WHOLE = {kind: encoded(kind, tone(0.5)) for kind in KINDS}
BAD: dict[str, tuple[type[Exception], Callable[[], bytes]]] = {
    "no bytes": (EmptyInput, bytes),
    "no samples": (EmptyInput, lambda: encoded("wav", tone(0))),
    "text": (NotAudio, lambda: b"Dear neighbours,\n" * 100),
    "png": (NotAudio, lambda: b"\x89PNG\r\n\x1a\n" + noise(1)),
    "zip": (NotAudio, lambda: b"PK\x03\x04" + noise(2)),
    "avi": (NotAudio, lambda: b"RIFF\x00\x10\x00\x00AVI " + noise(3)),
    "zeros": (NotAudio, lambda: bytes(20_000)),
    "raw samples": (NotAudio, lambda: (tone(1.0) * 32767).astype("<i2").tobytes()),
    "noise": (NotAudio, lambda: noise(4)),
    "one byte": (NotAudio, lambda: b"R"),
    "an old format": (NotAudio, lambda: _in_format("VOC")),
    "a wav's first bytes": (BrokenAudio, lambda: encoded("wav", tone(1.0))[:20]),
    "half a wav": (BrokenAudio, lambda: half("wav")),
    "half a flac": (BrokenAudio, lambda: half("flac")),
    "half an mp3": (BrokenAudio, lambda: half("mp3")),
    "an opus header": (BrokenAudio, lambda: encoded("opus", tone(1.0))[:60]),
    "mpeg by accident": (BrokenAudio, lambda: b"\xff\xfb\x90\x00" + noise(5)),
    "a hole in a flac": (BrokenAudio, lambda: encoded("flac", tone(2.0)).replace(b"\xff\xf8", b"\x00\x00")),
    "not a number": (BrokenAudio, lambda: with_value(np.nan)),
    "infinite": (BrokenAudio, lambda: with_value(np.inf)),
    "a rate of 10 Hz": (BrokenAudio, lambda: encoded("wav", tone(1.0), 10)),
}


def _in_format(name: str) -> bytes:
    buffer = io.BytesIO()
    sf.write(buffer, tone(1.0), RATE, format=name, subtype="PCM_16")
    return buffer.getvalue()


@pytest.mark.parametrize("name", list(BAD))
def test_bad_input_is_told_apart(name: str, tmp_path: Path) -> None:
    """Nothing, no audio and damaged audio are three errors of one line, for a path as for an upload."""
    error, make = BAD[name]
    data = make()
    path = tmp_path / "x"
    path.write_bytes(data)
    with pytest.raises(error) as of_upload:
        decoded(data)
    with pytest.raises(error, match=str(path)), open_clip(path) as clip:
        list(clip.blocks(RATE))
    assert type(of_upload.value) is error
    assert "\n" not in str(of_upload.value)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(KINDS)),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8),
    st.floats(0, 1),
)
def test_damage_of_any_kind_is_survived(kind: str, hits: list[tuple[float, int]], kept: float) -> None:
    """Bytes changed at random and an end cut off give samples or one of the documented errors, never another."""
    data = bytearray(WHOLE[kind])
    for place, value in hits:
        data[int(place * (len(data) - 1))] = value
    try:
        samples = decoded(bytes(data[: round(kept * len(data))]), max_s=600.0)
    except DataError:
        return
    assert np.isfinite(samples).all()


def test_what_is_not_there_or_no_file_is_said(tmp_path: Path) -> None:
    """A missing file and a folder are told apart."""
    with pytest.raises(InputMissing, match="no such file"):
        open_clip(tmp_path / "none.wav")
    with pytest.raises(NotAudio, match="folder"):
        open_clip(tmp_path)


def test_a_pipe_and_a_disk_that_fails_are_said(tmp_path: Path) -> None:
    """Each is one line, and no fault of Tocsin."""
    ours, theirs = os.pipe()
    os.close(theirs)
    with pytest.raises(DataError, match=r"is a pipe.*save the recording to a file first"):
        open_clip(Path(f"/proc/self/fd/{ours}"))
    os.close(ours)

    class Failing(io.BytesIO):
        def read(self, size: int = -1) -> bytes:
            if size > 1_000:
                raise OSError(5, "Input/output error")
            return super().read(size)

    with pytest.raises(DataError, match=r"^the recording: it cannot be read: Input/output error$"):
        open_clip(Failing(b"OggS" * 1000))


def test_a_file_that_may_not_be_read_is_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """The permission is named."""

    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(Forbidden, match=r"secret\.wav: permission denied; change its permissions"):
        open_clip(Path("secret.wav"))


def test_too_long_is_refused_by_the_header() -> None:
    """A length that the header admits needs no decoding."""
    with pytest.raises(TooLarge, match="longer than the 1 s"):
        open_clip(io.BytesIO(encoded("flac", tone(2.0))), max_s=1.0)


def test_too_long_is_refused_while_decoding() -> None:
    """What a header hides is counted as it comes out."""
    with open_clip(io.BytesIO(encoded("wav", tone(20.0))), max_s=30.0) as clip:
        clip._max_s = 1.0
        with pytest.raises(TooLarge):
            list(clip.blocks(RATE))


def test_many_channels_at_a_high_rate_may_last_less_long() -> None:
    """What is allowed is work as well as time: seconds for stereo at 96 kHz, a part of them for more."""
    loud = encoded("flac", np.zeros((38_400, 8), np.float32), 384_000)
    assert decoded(loud, max_s=1.7).size == RATE // 10
    with pytest.raises(TooLarge, match=r"longer than the 0\.0625 s allowed for 8 channels at 384000 Hz"):
        decoded(loud, max_s=1.0)
    unstated = loud[:21] + bytes([loud[21] & 0xF0]) + bytes(4) + loud[26:]
    with pytest.raises(TooLarge, match="for 8 channels"):
        decoded(unstated, max_s=1.0)


def test_a_clip_of_the_allowed_length_passes() -> None:
    """The limit itself is within."""
    assert decoded(encoded("wav", tone(1.0)), max_s=1.0).size == RATE


@pytest.mark.parametrize("head", [b"RIFF....AVI ", b"\xff\xff\xff\xff", b"\xff", b"", b"MThd"])
def test_what_is_no_audio_does_not_look_like_it(head: bytes) -> None:
    """Containers of other things, and bytes that only begin like MPEG, are not taken for audio."""
    assert not looks_like_audio(head)
