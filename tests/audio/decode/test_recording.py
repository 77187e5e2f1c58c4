"""Decoding of recordings of every kind, and errors for other input."""

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

from edge.audio.decode.header import looks_like_audio
from edge.audio.decode.recording import open_recording
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


def encode(kind: str, samples: NDArray[np.float32], rate_hz: int = RATE) -> bytes:
    """Return samples as a file of this kind."""
    buffer = io.BytesIO()
    file_format, subtype = KINDS[kind]
    sf.write(buffer, samples, rate_hz, format=file_format, subtype=subtype)
    return buffer.getvalue()


def decode(data: bytes, **options: float) -> NDArray[np.float32]:
    """Return the samples of a file at 16 kHz."""
    with open_recording(io.BytesIO(data), **options) as recording:
        return np.concatenate(list(recording.blocks(RATE)))


CASES = [
    (kind, rate_hz, channels)
    for kind in KINDS
    for rate_hz in RATES
    for channels in (1, 2, 8)
    if rate_hz in ONLY.get(kind, RATES) and channels <= MOST_CHANNELS.get(kind, 8)
]


@pytest.mark.parametrize(("kind", "rate_hz", "channels"), CASES)
def test_every_format_rate_and_channel_count(kind: str, rate_hz: int, channels: int) -> None:
    """A decoded tone has the right length, level and frequency."""
    data = encode(kind, tone(1.5, rate_hz, channels), rate_hz)
    with open_recording(io.BytesIO(data)) as recording:
        assert (recording.rate_hz, recording.channels) == (rate_hz, channels)
        assert recording.duration_s == pytest.approx(1.5, abs=0.1)
        blocks = list(recording.blocks(RATE))
    assert [block.size for block in blocks[:2]] == [8000, 8000]
    samples = np.concatenate(blocks)
    assert samples.dtype == np.float32
    assert samples.size / RATE == pytest.approx(1.5, abs=0.1)
    middle = samples[4000:20000]
    low_only = (kind, channels) == ("opus", 8)  # its eighth channel is for a subwoofer, and loses the tone
    assert np.sqrt(np.square(middle).mean()) == pytest.approx(0.2 * (7 / 8 if low_only else 1), rel=0.05)
    assert np.argmax(np.abs(np.fft.rfft(middle))) == pytest.approx(440, abs=1)


@pytest.mark.parametrize("seconds", [0.1, 0.001, 1 / RATE])
def test_short_recordings(seconds: float) -> None:
    """A file of a single sample is a recording."""
    assert decode(encode("wav", tone(seconds))).size == round(seconds * RATE)


@pytest.mark.parametrize("rate_hz", [RATE, 44_100])
def test_the_samples_do_not_depend_on_the_block(rate_hz: int) -> None:
    """Any block length gives the samples of one resampling of the whole."""
    sound = np.random.default_rng(3).normal(0, 0.1, 12 * rate_hz).astype(np.float32)
    data = encode("wav float", sound, rate_hz)
    results = []
    for block_s in (0.0371, 0.5, 100.0):
        with open_recording(io.BytesIO(data)) as recording:
            results.append(np.concatenate(list(recording.blocks(RATE, block_s))))
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])
    assert np.allclose(results[0], StreamResampler(rate_hz, RATE).push(sound, last=True), atol=1e-6)


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_path_and_an_open_file_give_the_same(kind: str, tmp_path: Path) -> None:
    """An upload and a file give the same samples, with any file name."""
    path = tmp_path / "sound.raw"
    path.write_bytes(encode(kind, tone(1.0, 48_000, 2), 48_000))
    with open_recording(path) as recording:
        assert np.array_equal(np.concatenate(list(recording.blocks(RATE))), decode(path.read_bytes()))


def make_wav_of_length(length: int) -> bytes:
    """Return a WAV file of one second whose header promises `length` bytes of samples."""
    data = bytearray(encode("wav", tone(1.0)))
    place = data.index(b"data") + 4
    data[place : place + 4] = struct.pack("<I", length)
    return bytes(data)


def test_a_wav_written_into_a_pipe_is_whole() -> None:
    """An unknown length in the header is accepted."""
    assert decode(make_wav_of_length(0xFFFFFFFF)).size == RATE


def test_a_wav_with_a_little_missing_is_played_to_its_end() -> None:
    """Up to a tenth may be missing, for example after a power cut."""
    assert decode(make_wav_of_length(34_000)).size == RATE
    assert decode(encode("wav", tone(1.0))[:-2000]).size == RATE - 1000


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3"])
def test_a_small_missing_part_is_remarked(kind: str) -> None:
    """The rest is played, and the remark has its share."""
    data = encode(kind, np.random.default_rng(1).normal(0, 0.1, 20 * RATE).astype(np.float32))
    for part, words in ((1.0, "^$"), (0.95, r"^it is cut off or damaged: 9[345]% of it is heard$")):
        with open_recording(io.BytesIO(data[: round(part * len(data))])) as recording:
            assert sum(block.size for block in recording.blocks(RATE)) == pytest.approx(part * 20 * RATE, rel=0.02)
            assert re.search(words, recording.remark)


def encode_value(value: float) -> bytes:
    """Return a float WAV with one sample of this value."""
    samples = tone(1.0)
    samples[5000] = value
    return encode("wav float", samples)


def encode_half(kind: str) -> bytes:
    """Return the first half of a file."""
    data = encode(kind, tone(2.0))
    return data[: len(data) // 2]


def noise(seed: int) -> bytes:
    """Return random bytes."""
    return np.random.default_rng(seed).bytes(20_000)


WHOLE = {kind: encode(kind, tone(0.5)) for kind in KINDS}
BAD: dict[str, tuple[type[Exception], Callable[[], bytes]]] = {
    "no bytes": (EmptyInput, bytes),
    "no samples": (EmptyInput, lambda: encode("wav", tone(0))),
    "text": (NotAudio, lambda: b"Dear neighbours,\n" * 100),
    "png": (NotAudio, lambda: b"\x89PNG\r\n\x1a\n" + noise(1)),
    "zip": (NotAudio, lambda: b"PK\x03\x04" + noise(2)),
    "avi": (NotAudio, lambda: b"RIFF\x00\x10\x00\x00AVI " + noise(3)),
    "zeros": (NotAudio, lambda: bytes(20_000)),
    "raw samples": (NotAudio, lambda: (tone(1.0) * 32767).astype("<i2").tobytes()),
    "noise": (NotAudio, lambda: noise(4)),
    "one byte": (NotAudio, lambda: b"R"),
    "an old format": (NotAudio, lambda: _encode_format("VOC")),
    "a wav's first bytes": (BrokenAudio, lambda: encode("wav", tone(1.0))[:20]),
    "half a wav": (BrokenAudio, lambda: encode_half("wav")),
    "half a flac": (BrokenAudio, lambda: encode_half("flac")),
    "half an mp3": (BrokenAudio, lambda: encode_half("mp3")),
    "an opus header": (BrokenAudio, lambda: encode("opus", tone(1.0))[:60]),
    "mpeg by accident": (BrokenAudio, lambda: b"\xff\xfb\x90\x00" + noise(5)),
    "a hole in a flac": (BrokenAudio, lambda: encode("flac", tone(2.0)).replace(b"\xff\xf8", b"\x00\x00")),
    "not a number": (BrokenAudio, lambda: encode_value(np.nan)),
    "infinite": (BrokenAudio, lambda: encode_value(np.inf)),
    "a rate of 10 Hz": (BrokenAudio, lambda: encode("wav", tone(1.0), 10)),
}


def _encode_format(name: str) -> bytes:
    buffer = io.BytesIO()
    sf.write(buffer, tone(1.0), RATE, format=name, subtype="PCM_16")
    return buffer.getvalue()


@pytest.mark.parametrize("name", list(BAD))
def test_bad_input_has_the_right_error(name: str, tmp_path: Path) -> None:
    """Empty input, other files and damaged audio have errors of one line, for paths and uploads."""
    error, make = BAD[name]
    data = make()
    path = tmp_path / "x"
    path.write_bytes(data)
    with pytest.raises(error) as of_upload:
        decode(data)
    with pytest.raises(error, match=str(path)), open_recording(path) as recording:
        list(recording.blocks(RATE))
    assert type(of_upload.value) is error
    assert "\n" not in str(of_upload.value)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(KINDS)),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8),
    st.floats(0, 1),
)
def test_random_damage_has_a_documented_error(kind: str, hits: list[tuple[float, int]], kept: float) -> None:
    """A file with changed bytes and a missing end gives samples or a documented error."""
    data = bytearray(WHOLE[kind])
    for place, value in hits:
        data[int(place * (len(data) - 1))] = value
    try:
        samples = decode(bytes(data[: round(kept * len(data))]), max_s=600.0)
    except DataError:
        return
    assert np.isfinite(samples).all()


def test_a_missing_file_and_a_folder_are_errors(tmp_path: Path) -> None:
    """A missing file and a folder have different errors."""
    with pytest.raises(InputMissing, match="no such file"):
        open_recording(tmp_path / "none.wav")
    with pytest.raises(NotAudio, match="folder"):
        open_recording(tmp_path)


def test_a_pipe_and_a_failing_disk_are_errors(tmp_path: Path) -> None:
    """Each is a data error of one line."""
    ours, theirs = os.pipe()
    os.close(theirs)
    with pytest.raises(DataError, match=r"is a pipe.*save the recording to a file first"):
        open_recording(Path(f"/proc/self/fd/{ours}"))
    os.close(ours)

    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if size is not None and size > 1_000:
                raise OSError(5, "Input/output error")
            return super().read(size)

    with pytest.raises(DataError, match=r"^the recording: it cannot be read: Input/output error$"):
        open_recording(Failing(b"OggS" * 1000))


def test_a_file_that_may_not_be_read_is_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the permissions."""

    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(Forbidden, match=r"secret\.wav: permission denied; change its permissions"):
        open_recording(Path("secret.wav"))


def test_too_long_is_refused_by_the_header() -> None:
    """A length in the header is refused without decoding."""
    with pytest.raises(TooLarge, match="longer than the 1 s"):
        open_recording(io.BytesIO(encode("flac", tone(2.0))), max_s=1.0)


def test_too_long_is_refused_while_decoding() -> None:
    """A recording without the true length in its header is refused while decoding."""
    with open_recording(io.BytesIO(encode("wav", tone(20.0))), max_s=30.0) as recording:
        recording._max_s = 1.0
        with pytest.raises(TooLarge):
            list(recording.blocks(RATE))


def test_many_channels_at_a_high_rate_may_last_less_long() -> None:
    """The limit is for stereo at 96 kHz; with more channels or a higher rate it is shorter."""
    loud = encode("flac", np.zeros((38_400, 8), np.float32), 384_000)
    assert decode(loud, max_s=1.7).size == RATE // 10
    with pytest.raises(TooLarge, match=r"longer than the 0\.0625 s allowed for 8 channels at 384000 Hz"):
        decode(loud, max_s=1.0)
    unstated = loud[:21] + bytes([loud[21] & 0xF0]) + bytes(4) + loud[26:]
    with pytest.raises(TooLarge, match="for 8 channels"):
        decode(unstated, max_s=1.0)


def test_a_recording_of_the_allowed_length_passes() -> None:
    """A recording of exactly the limit is decoded."""
    assert decode(encode("wav", tone(1.0)), max_s=1.0).size == RATE


@pytest.mark.parametrize("head", [b"RIFF....AVI ", b"\xff\xff\xff\xff", b"\xff", b"", b"MThd"])
def test_other_files_do_not_look_like_audio(head: bytes) -> None:
    """Containers of other content, and bytes similar to MPEG frames, are not audio."""
    assert not looks_like_audio(head)
