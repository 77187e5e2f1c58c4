"""FLAC is read forwards: whatever length it states or not, up to its damage, and one file behind the other."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile as sf

from edge.audio.decode.recording import open_recording
from edge.errors import BrokenAudio

RATE = 16_000
SOUND = np.random.default_rng(0).normal(0, 0.1, 10 * RATE).astype(np.float32)


def encoded(samples: np.ndarray = SOUND, rate_hz: int = RATE) -> bytes:
    """Return a FLAC file."""
    file = io.BytesIO()
    sf.write(file, samples, rate_hz, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def of_unknown_length(data: bytes) -> bytes:
    """Return the file as an encoder writes it into a pipe: its number of samples, of 36 bits, is 0."""
    return data[:21] + bytes([data[21] & 0xF0]) + bytes(4) + data[26:]


def heard_s(data: bytes) -> float:
    """Return how many seconds of a file are heard."""
    with open_recording(io.BytesIO(data)) as clip:
        return sum(block.size for block in clip.blocks(RATE)) / RATE


WHOLE = encoded()
UNKNOWN = of_unknown_length(WHOLE)


def test_an_unknown_length_is_no_damage() -> None:
    """All samples come, and they are those of the file that states its length."""
    with open_recording(io.BytesIO(UNKNOWN)) as clip:
        assert clip.duration_s is None
        unknown = np.concatenate(list(clip.blocks(RATE)))
    with open_recording(io.BytesIO(WHOLE)) as clip:
        assert np.array_equal(unknown, np.concatenate(list(clip.blocks(RATE))))


@pytest.mark.parametrize("made", [WHOLE, UNKNOWN], ids=["known", "unknown"])
def test_what_comes_before_a_missing_end_is_heard(made: bytes) -> None:
    """A twentieth less costs a twentieth and the block that was cut."""
    assert heard_s(made[: len(made) * 95 // 100]) == pytest.approx(9.4, abs=0.15)


def test_half_is_refused_where_the_length_is_known() -> None:
    """Without a length nobody can know."""
    with pytest.raises(BrokenAudio, match=r"is cut off: it holds 4\d% of"):
        heard_s(WHOLE[: len(WHOLE) // 2])
    assert heard_s(UNKNOWN[: len(UNKNOWN) // 2]) == pytest.approx(5.0, abs=0.3)


@pytest.mark.parametrize("made", [WHOLE, UNKNOWN], ids=["known", "unknown"])
@pytest.mark.parametrize(("place", "heard"), [(0.5, None), (0.97, 9.6)])
def test_a_hole_ends_the_sound_and_is_said_when_it_is_early(made: bytes, place: float, heard: float | None) -> None:
    """The place that is named is that of the hole, not of the block that was asked for."""
    begin = round(place * len(made))
    damaged = made[:begin] + bytes(5_000) + made[begin + 5_000 :]
    if heard is None:
        with pytest.raises(BrokenAudio, match=r"is damaged: it cannot be decoded beyond (4\.[789]|5\.0) s"):
            heard_s(damaged)
    else:
        assert heard_s(damaged) == pytest.approx(heard, abs=0.2)


def test_files_one_behind_the_other_are_all_heard() -> None:
    """Of other rates and channels too, with a tag before them and rubbish between them."""
    stereo = encoded(np.zeros((44_100, 2)), 44_100)
    tag = b"ID3\x04\x00\x00\x00\x00\x00\x05" + bytes(5)
    assert heard_s(WHOLE + WHOLE) == 20.0
    assert heard_s(UNKNOWN + UNKNOWN) == pytest.approx(20.0, abs=0.3)
    assert heard_s(tag + WHOLE + stereo + b"rubbish" * 500 + WHOLE) == pytest.approx(21.0, abs=0.01)
    with pytest.raises(BrokenAudio, match="cut off"):
        heard_s(WHOLE + WHOLE[: len(WHOLE) // 2])
