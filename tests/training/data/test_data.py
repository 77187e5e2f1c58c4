"""Crops, onsets, the manifest and the teacher."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from edge.errors import DataError
from edge.frontend.mel import log_mel
from edge.frontend.params import FrontEndParams
from tests.support.recordings import LABELS, made_up
from training.config import AugmentConfig, Config, DataConfig
from training.data.features import FeatureStore, load_audio, open_features
from training.data.manifest import Clip, labels_of, read_manifest
from training.data.onsets import loud_frames, onsets
from training.data.teacher import LogitTeacher, Teacher, read_logits, read_teacher
from training.data.varied import Made
from training.learn.sampler import CropSampler, draw_weights, pool_of

if TYPE_CHECKING:
    from pathlib import Path

PARAMS = FrontEndParams()


def clip(index: int, label: str, corpus: str = "c", group: str = "g") -> Clip:
    """Return a clip of which only these matter."""
    return Clip(index, f"{index}.wav", label, corpus, group, "", "", "", 1.0)


def clicks(at_s: list[float], length_s: float = 3.0) -> np.ndarray:
    """Return the features of clicks of 60 ms in faint noise."""
    rng = np.random.default_rng(1)
    wave = rng.normal(0, 0.001, int(length_s * PARAMS.sample_rate_hz))
    for second in at_s:
        begin = int(second * PARAMS.sample_rate_hz)
        wave[begin : begin + 960] += rng.normal(0, 0.3, 960)
    return log_mel(wave.astype(np.float32), PARAMS)


def store_of(features: list[np.ndarray]) -> FeatureStore:
    """Return a store of these clips' features."""
    offsets = np.cumsum([0] + [len(mel) for mel in features])
    return FeatureStore(np.concatenate(features).astype(np.float16), offsets, PARAMS)


def test_onsets_are_where_clicks_begin() -> None:
    """Every click is found within two frames of where it began, and nothing else is."""
    times = [0.5, 1.2, 2.4]
    found = onsets(clicks(times), PARAMS)
    expected = [(second * PARAMS.sample_rate_hz - PARAMS.n_fft) / PARAMS.hop_samples + 1 for second in times]
    assert len(found) == 3
    assert np.abs(found - np.array(expected)).max() <= 2


def test_a_sound_that_begins_with_the_clip_has_an_onset() -> None:
    """A clip cut at its shot begins at frame 0."""
    assert onsets(clicks([0.0]), PARAMS)[0] <= 1


def test_a_steady_sound_has_one_anchor() -> None:
    """Without any onset the loudest frame stands in."""
    assert len(onsets(clicks([]), PARAMS)) >= 1


def test_loud_frames_leave_silence_out() -> None:
    """Of a second of noise between two of near silence only its frames are loud."""
    wave = np.random.default_rng(1).normal(0, 0.1, 48_000)
    wave[:16_000] *= 1e-3
    wave[32_000:] *= 1e-3
    found = loud_frames(log_mel(wave.astype(np.float32), PARAMS), PARAMS)
    assert 60 < found.min() < 68
    assert 124 < found.max() < 130


def test_drawing_balances_classes_corpora_and_recordings() -> None:
    """Classes are drawn by their weight, corpora by the root of their clips, recordings by the root of their cuts."""
    clips = [clip(i, "a", "big", "one") for i in range(16)] + [clip(16 + i, "a", "small", str(i)) for i in range(4)]
    clips += [clip(20, "b")]
    weights = draw_weights(clips, {"b": 3.0})
    assert weights.sum().item() == pytest.approx(1.0)
    assert weights[20].item() == pytest.approx(0.75)
    assert (weights[:16].sum() / weights[16:20].sum()).item() == pytest.approx(2.0)
    cuts = draw_weights([clip(i, "a", "c", "four" if i < 4 else "one") for i in range(5)], {})
    assert (cuts[:4].sum() / cuts[4]).item() == pytest.approx(2.0)


def sampler(mel: np.ndarray, impulsive: float, teacher: Teacher | None = None) -> CropSampler:
    """Return a sampler over one clip, without changes of tempo and pitch."""
    config = Config(DataConfig(impulsive={"clap": impulsive}), augment=AugmentConfig(mel_shift=0.0, speed=0.0))
    return CropSampler(pool_of(store_of([mel]), [clip(0, "clap")]), ("clap", "rain"), teacher, None, config, {})


def test_a_short_sound_begins_inside_its_window_and_is_heard() -> None:
    """The click is in every window, at the latest 60 ms before its end, often within the last 300 ms."""
    drawn = sampler(clicks([1.0]), 1.0).draw(400, torch.Generator().manual_seed(1))
    begin = (drawn.features.mean(dim=2) > -0.2).int().argmax(dim=1)
    assert (drawn.features.mean(dim=2).amax(dim=1) > -0.2).all()
    assert begin.max() <= 93
    assert begin.min() < 10
    assert 0.3 < (begin >= 73).float().mean() < 0.7


def test_a_short_sound_may_come_out_of_silence() -> None:
    """What was before the click is digital silence, the click and what follows is as it was."""
    config = Config(DataConfig(impulsive={"clap": 1.0}, p_sudden=1.0), augment=AugmentConfig(mel_shift=0.0, speed=0.0))
    pool = pool_of(store_of([clicks([1.5])]), [clip(0, "clap")])
    drawn = CropSampler(pool, ("clap", "rain"), None, None, config, {}).draw(200, torch.Generator().manual_seed(1))
    silent = (drawn.features == PARAMS.silence).all(dim=2)
    begin = (drawn.features.mean(dim=2) > -0.2).int().argmax(dim=1)
    for row, at in zip(silent, begin.tolist(), strict=True):
        assert row[: max(0, at - 5)].all()
        assert not row[at : at + 3].any()


def test_windows_of_lasting_sounds_hold_half_a_second_of_the_clip() -> None:
    """However a window lies, at least 32 of its frames are of the clip."""
    drawn = sampler(clicks([], 2.5), 0.0).draw(400, torch.Generator().manual_seed(1))
    assert (drawn.features > PARAMS.silence + 0.01).any(dim=2).sum(dim=1).min() >= 32


def test_a_short_clip_is_whole_in_its_window() -> None:
    """A clip shorter than the window is surrounded by silence."""
    mel = clicks([0.1], 0.5)
    drawn = sampler(mel, 0.0).draw(100, torch.Generator().manual_seed(1))
    assert (drawn.features > PARAMS.silence + 0.01).any(dim=2).sum(dim=1).max() == len(mel)


def test_the_teacher_speaks_for_what_the_label_leaves_out() -> None:
    """What the teacher suspects is not held against the network; the own label always is."""
    teacher = Teacher(torch.tensor([[10, 200], [30, 250]], dtype=torch.uint8), torch.tensor([0, 2]))
    drawn = sampler(clicks([1.0]), 1.0, teacher).draw(20, torch.Generator().manual_seed(1))
    assert (drawn.target == torch.tensor([1.0, 0.0])).all()
    assert (drawn.sure == torch.tensor([1.0, 0.0])).all()
    assert drawn.soft[:, 1].min() >= 200 / 255 - 1e-6
    assert torch.allclose(drawn.soft[:, 0], torch.tensor((30 / 255 + 1) / 2))


def test_a_teacher_of_other_clips_or_labels_is_refused(tmp_path: Path) -> None:
    """A teacher must know every label and have heard every clip."""
    path = tmp_path / "t.npz"
    np.savez(path, scores=np.zeros((2, 1), np.uint8), offsets=np.array([0, 1, 2]), labels=np.array(["clap"]))
    assert read_teacher(path, ["clap"], 2).scores.shape == (2, 1)
    with pytest.raises(DataError, match="does not know rain"):
        read_teacher(path, ["clap", "rain"], 2)
    with pytest.raises(DataError, match="3"):
        read_teacher(path, ["clap"], 3)


@pytest.mark.parametrize("kind", ["text", "array", "other", "cut"])
def test_another_file_is_no_teacher(kind: str, tmp_path: Path) -> None:
    """The message names the file, whatever is in it."""
    path = tmp_path / "t.npz"
    whole = {"scores": np.zeros((2, 1), np.uint8), "offsets": np.array([0, 1, 2]), "labels": np.array(["clap"])}
    with path.open("wb") as file:
        if kind == "text":
            file.write(b"PK no archive")
        elif kind == "array":
            np.save(file, np.zeros(3))
        else:
            np.savez(file, **({"scores": whole["scores"]} if kind == "other" else whole | {"scores": np.zeros((1, 1))}))
    for read in (lambda: read_teacher(path, ["clap"], 2), lambda: read_logits(path, 2)):
        with pytest.raises(DataError, match=r"t\.npz: (not a teacher|`offsets` end at 2)"):
            read()


def test_a_copy_of_other_recordings_is_refused() -> None:
    """Its clips would begin in the wrong places; the message says what to remove."""
    store = store_of([clicks([1.0])])
    with pytest.raises(DataError, match=r"remove the files copy-\*\.npy"):
        pool_of(store, [clip(0, "clap")], [np.asarray(store.frames)[1:]])


def test_features_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second opening reads the cache, and holds what the front end gives for the file."""
    data = tmp_path / "data"
    data.mkdir()
    clips = read_manifest(made_up(data))
    first = open_features(data, clips, tmp_path / "cache", PARAMS)
    monkeypatch.setattr("training.data.features.load_audio", lambda *_: pytest.fail("computed again"))
    second = open_features(data, clips, tmp_path / "cache", PARAMS)
    wanted = log_mel(load_audio(data / clips[5].file, PARAMS.sample_rate_hz), PARAMS)
    assert np.array_equal(first.frames, second.frames)
    assert np.abs(second.of(clips[5]) - wanted).max() < 2e-3
    assert labels_of(clips) == LABELS


def test_other_front_end_other_cache(tmp_path: Path) -> None:
    """Features of one front end are never taken for those of another."""
    data = tmp_path / "data"
    data.mkdir()
    clips = read_manifest(made_up(data))[:2]
    other = dataclasses.replace(PARAMS, n_mels=32)
    assert open_features(data, clips, tmp_path / "cache", PARAMS).frames.shape[1] == 64
    assert open_features(data, clips, tmp_path / "cache", other).frames.shape[1] == 32


def test_a_manifest_without_its_columns_is_refused(tmp_path: Path) -> None:
    """The message names what is missing."""
    (tmp_path / "manifest.csv").write_text("file,class\na.wav,clap\n", encoding="utf-8")
    with pytest.raises(DataError, match="corpus"):
        read_manifest(tmp_path)


def test_what_is_not_audio_is_named(tmp_path: Path) -> None:
    """The message names the file."""
    (tmp_path / "a.wav").write_bytes(b"text")
    with pytest.raises(DataError, match=r"a\.wav"):
        load_audio(tmp_path / "a.wav", 16_000)


def level(height: float, frames: int = 200) -> np.ndarray:
    """Return features that are the same throughout."""
    return np.full((frames, PARAMS.n_mels), height, np.float16)


def test_windows_are_drawn_from_every_version_of_a_clip() -> None:
    """The recording and its copies are drawn alike, and the right clip of each."""
    store = store_of([level(0.1), level(0.2)])
    copies = [np.concatenate((level(1.1), level(1.2))), np.concatenate((level(2.1), level(2.2)))]
    config = Config(DataConfig(), augment=AugmentConfig(mel_shift=0.0, speed=0.0))
    pool = pool_of(store, [clip(1, "rain")], copies)
    drawn = CropSampler(pool, ("clap", "rain"), None, None, config, {}).draw(300, torch.Generator().manual_seed(1))
    found = drawn.features.amax(dim=(1, 2))
    shares = [(found - height).abs().lt(0.01).float().mean().item() for height in (0.2, 1.2, 2.2)]
    assert sum(shares) == pytest.approx(1.0)
    assert min(shares) > 0.2


def test_made_up_sounds_are_drawn_and_no_teacher_has_heard_them() -> None:
    """A made-up sound has its label for certain, where a recording has what the teachers say of it."""
    store = store_of([level(0.1)])
    teacher = Teacher(torch.tensor([[200, 100]], dtype=torch.uint8), torch.tensor([0, 1]))
    logits = LogitTeacher(torch.tensor([[0.5, -0.5]], dtype=torch.float16), torch.tensor([0, 1]))
    pool = pool_of(store, [clip(0, "rain")], made=[Made("clap", [level(1.0), level(1.0)])])
    sampler_ = CropSampler(pool, ("clap", "rain"), teacher, logits, Config(), {})
    drawn = sampler_.draw(200, torch.Generator().manual_seed(1))
    made = drawn.target[:, 0] > 0
    assert 0.3 < made.float().mean() < 0.7
    assert drawn.features[made][:, 48].mean() > drawn.features[~made][:, 48].mean()
    assert (drawn.soft[made] == torch.tensor([1.0, 0.0])).all()
    assert torch.allclose(drawn.soft[~made][:, 0], torch.tensor(200 / 255))
    assert drawn.told is not None
    assert drawn.logits is not None
    assert torch.equal(drawn.told, (~made).float())
    assert (drawn.logits[~made] == torch.tensor([0.5, -0.5])).all()


def test_logits_are_standardised_class_by_class(tmp_path: Path) -> None:
    """Each class of the public network gets mean 0 and variance 1; a class that never moves stays harmless."""
    scores = np.random.default_rng(1).integers(0, 255, (500, 2)).astype(np.uint8)
    path = tmp_path / "scores.npz"
    np.savez(path, scores=np.column_stack((scores, np.full(500, 7, np.uint8))), offsets=np.array([0, 500]))
    logits = read_logits(path, 1).logits.float()
    assert torch.allclose(logits.mean(dim=0), torch.zeros(3), atol=1e-2)
    assert torch.allclose(logits.std(dim=0), torch.tensor([1.0, 1.0, 0.0]), atol=1e-2)
    with pytest.raises(DataError, match="heard 1 clips, the manifest has 2"):
        read_logits(path, 2)
