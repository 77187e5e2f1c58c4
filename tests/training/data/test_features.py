"""The cache of features: its key, and its completeness."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import torch

from edge.errors import DataError
from edge.frontend.mel import log_mel
from edge.frontend.params import FrontEndParams
from tests.support.recordings import LABELS, made_up
from training.data import features
from training.data.features import load_audio, open_features
from training.data.manifest import Clip, collect_labels, read_manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PARAMS = FrontEndParams()
CLIPS = [Clip(index, f"{index}.wav", "x", "c", f"g{index}", "", "", "", 0.5) for index in range(3)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder with three sounds."""
    folder = tmp_path / "data"
    folder.mkdir()
    for clip in CLIPS:
        record(folder / clip.file, 0.4 + 0.1 * clip.index)
    return folder


def record(path: Path, length_s: float) -> None:
    samples = np.random.default_rng(3).normal(0, 0.1, int(length_s * PARAMS.sample_rate_hz))
    soundfile.write(path, samples, PARAMS.sample_rate_hz)


def failing_at(call: int, error: type[BaseException]) -> Callable[..., np.ndarray]:
    """Return a `load_audio` that raises at its n-th call."""
    calls = iter(range(1, 100))

    def load(path: Path, rate_hz: int) -> np.ndarray:
        if next(calls) == call:
            raise error
        return load_audio(path, rate_hz)

    return load


def test_features_lie_end_to_end(data: Path, tmp_path: Path) -> None:
    """Each clip's rows are the front end's for its file, and a network can take them without a copy."""
    store = open_features(data, CLIPS, tmp_path / "cache", PARAMS)
    for clip in CLIPS:
        wanted = log_mel(load_audio(data / clip.file, PARAMS.sample_rate_hz), PARAMS)
        assert np.abs(store.get(clip) - wanted).max() < 2e-3
    assert len(store.frames) == store.offsets[-1]
    assert torch.from_numpy(store.frames).data_ptr() == store.frames.ctypes.data


def test_a_changed_file_is_not_found_in_the_cache(data: Path, tmp_path: Path) -> None:
    """A recording of the same name and another length has other features."""
    before = open_features(data, CLIPS, tmp_path / "cache", PARAMS)
    record(data / CLIPS[1].file, 0.9)
    after = open_features(data, CLIPS, tmp_path / "cache", PARAMS)
    assert len(after.get(CLIPS[1])) > len(before.get(CLIPS[1]))


def test_a_run_that_is_cut_short_leaves_no_cache(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an interrupt nothing is left behind, and the next run computes everything."""
    monkeypatch.setattr(features, "load_audio", failing_at(3, KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        open_features(data, CLIPS, tmp_path / "cache", PARAMS)
    assert list((tmp_path / "cache").iterdir()) == []
    monkeypatch.undo()
    assert len(open_features(data, CLIPS, tmp_path / "cache", PARAMS).offsets) == 4


def test_of_two_runs_at_once_the_first_to_end_counts(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that finds the cache there when it is done takes it, and leaves nothing of its own."""

    def load_while_another_run_ends(path: Path, rate_hz: int) -> np.ndarray:
        monkeypatch.undo()
        open_features(data, CLIPS, tmp_path / "cache", PARAMS)
        return load_audio(path, rate_hz)

    monkeypatch.setattr(features, "load_audio", load_while_another_run_ends)
    store = open_features(data, CLIPS, tmp_path / "cache", PARAMS)
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert len(store.get(CLIPS[2])) > 0


def test_a_missing_file_is_named(data: Path, tmp_path: Path) -> None:
    """A manifest without clips, and a clip without its file, are errors before anything is computed."""
    with pytest.raises(DataError, match="lists no clips"):
        open_features(data, [], tmp_path / "cache", PARAMS)
    (data / CLIPS[2].file).unlink()
    with pytest.raises(FileNotFoundError, match=r"2\.wav"):
        open_features(data, CLIPS, tmp_path / "cache", PARAMS)
    assert not (tmp_path / "cache").exists()


def test_features_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second opening reads the cache, with the front end's features of the file."""
    data = tmp_path / "data"
    data.mkdir()
    clips = read_manifest(made_up(data))
    first = open_features(data, clips, tmp_path / "cache", PARAMS)
    monkeypatch.setattr("training.data.features.load_audio", lambda *_: pytest.fail("computed again"))
    second = open_features(data, clips, tmp_path / "cache", PARAMS)
    wanted = log_mel(load_audio(data / clips[5].file, PARAMS.sample_rate_hz), PARAMS)
    assert np.array_equal(first.frames, second.frames)
    assert np.abs(second.get(clips[5]) - wanted).max() < 2e-3
    assert collect_labels(clips) == LABELS


def test_other_front_end_other_cache(tmp_path: Path) -> None:
    """Features of two front ends are not confused."""
    data = tmp_path / "data"
    data.mkdir()
    clips = read_manifest(made_up(data))[:2]
    other = dataclasses.replace(PARAMS, n_mels=32)
    assert open_features(data, clips, tmp_path / "cache", PARAMS).frames.shape[1] == 64
    assert open_features(data, clips, tmp_path / "cache", other).frames.shape[1] == 32


def test_a_file_that_is_not_audio_is_named(tmp_path: Path) -> None:
    """The message names the file."""
    (tmp_path / "a.wav").write_bytes(b"text")
    with pytest.raises(DataError, match=r"a\.wav"):
        load_audio(tmp_path / "a.wav", 16_000)
