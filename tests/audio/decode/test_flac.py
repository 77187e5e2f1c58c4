"""FLAC: unknown lengths, damage, and several files in a row."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile as sf

from edge.audio.decode.recording import open_recording
from edge.errors import BrokenAudio

RATE = 16_000
SOUND = np.random.default_rng(0).normal(0, 0.1, 10 * RATE).astype(np.float32)


def encode(samples: np.ndarray = SOUND, rate_hz: int = RATE) -> bytes:
    """Return samples as a FLAC file."""
    file = io.BytesIO()
    sf.write(file, samples, rate_hz, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def clear_length(data: bytes) -> bytes:
    """Set the number of samples in the header, of 36 bits, to 0, as for a file written to a pipe."""
    return data[:21] + bytes([data[21] & 0xF0]) + bytes(4) + data[26:]


def measure_s(data: bytes) -> float:
    """Return the decoded seconds of a file."""
    with open_recording(io.BytesIO(data)) as recording:
        return sum(block.size for block in recording.blocks(RATE)) / RATE


WHOLE = encode()
UNKNOWN = clear_length(WHOLE)


def test_an_unknown_length_is_accepted() -> None:
    """The samples are those of the same file with a length."""
    with open_recording(io.BytesIO(UNKNOWN)) as recording:
        assert recording.duration_s is None
        unknown = np.concatenate(list(recording.blocks(RATE)))
    with open_recording(io.BytesIO(WHOLE)) as recording:
        assert np.array_equal(unknown, np.concatenate(list(recording.blocks(RATE))))


@pytest.mark.parametrize("made", [WHOLE, UNKNOWN], ids=["known", "unknown"])
def test_the_sound_before_a_missing_end_is_decoded(made: bytes) -> None:
    """Without the last twentieth, only that part and the incomplete block are missing."""
    assert measure_s(made[: len(made) * 95 // 100]) == pytest.approx(9.4, abs=0.15)


def test_half_is_refused_if_the_length_is_known() -> None:
    """Without a length, a missing half cannot be detected."""
    with pytest.raises(BrokenAudio, match=r"is cut off: it holds 4\d% of"):
        measure_s(WHOLE[: len(WHOLE) // 2])
    assert measure_s(UNKNOWN[: len(UNKNOWN) // 2]) == pytest.approx(5.0, abs=0.3)


@pytest.mark.parametrize("made", [WHOLE, UNKNOWN], ids=["known", "unknown"])
@pytest.mark.parametrize(("place", "heard"), [(0.5, None), (0.97, 9.6)])
def test_a_hole_ends_the_sound_and_is_an_error_if_early(made: bytes, place: float, heard: float | None) -> None:
    """The error names the time of the hole, not of the block that was read."""
    begin = round(place * len(made))
    damaged = made[:begin] + bytes(5_000) + made[begin + 5_000 :]
    if heard is None:
        with pytest.raises(BrokenAudio, match=r"is damaged: it cannot be decoded beyond (4\.[789]|5\.0) s"):
            measure_s(damaged)
    else:
        assert measure_s(damaged) == pytest.approx(heard, abs=0.2)


def test_several_files_in_a_row_are_all_decoded() -> None:
    """They may have different rates and channels, a tag before them, and other bytes between them."""
    stereo = encode(np.zeros((44_100, 2)), 44_100)
    tag = b"ID3\x04\x00\x00\x00\x00\x00\x05" + bytes(5)
    assert measure_s(WHOLE + WHOLE) == 20.0
    assert measure_s(UNKNOWN + UNKNOWN) == pytest.approx(20.0, abs=0.3)
    assert measure_s(tag + WHOLE + stereo + b"rubbish" * 500 + WHOLE) == pytest.approx(21.0, abs=0.01)
    with pytest.raises(BrokenAudio, match="cut off"):
        measure_s(WHOLE + WHOLE[: len(WHOLE) // 2])
