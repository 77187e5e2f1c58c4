"""Windows: their position, the frequency of clips, and their targets."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edge.errors import DataError
from tests.support.mels import PARAMS, clicks, level, make_store
from tests.support.trials import clip
from training.config import AugmentConfig, Config, DataConfig
from training.data.teacher import LogitTeacher, Teacher
from training.data.varied import SyntheticSounds
from training.learn.sampler import CropSampler, draw_weights, make_pool


def test_drawing_balances_classes_corpora_and_recordings() -> None:
    """Classes are drawn by their weight, corpora by the root of their clips, recordings by the root of their cuts."""
    clips = [clip(i, "a", "big", group="one") for i in range(16)] + [
        clip(16 + i, "a", "small", group=str(i)) for i in range(4)
    ]
    clips += [clip(20, "b")]
    weights = draw_weights(clips, {"b": 3.0})
    assert weights.sum().item() == pytest.approx(1.0)
    assert weights[20].item() == pytest.approx(0.75)
    assert (weights[:16].sum() / weights[16:20].sum()).item() == pytest.approx(2.0)
    cuts = draw_weights([clip(i, "a", group="four" if i < 4 else "one") for i in range(5)], {})
    assert (cuts[:4].sum() / cuts[4]).item() == pytest.approx(2.0)


def sampler(mel: np.ndarray, impulsive: float, teacher: Teacher | None = None) -> CropSampler:
    """Return a sampler over one clip, without changes of tempo and pitch."""
    config = Config(DataConfig(impulsive={"clap": impulsive}), augment=AugmentConfig(mel_shift=0.0, speed=0.0))
    return CropSampler(make_pool(make_store([mel]), [clip(0, "clap")]), ("clap", "rain"), teacher, None, config, {})


def test_a_short_sound_begins_inside_its_window() -> None:
    """The click is in every window, at the latest 60 ms before its end, often within the last 300 ms."""
    drawn = sampler(clicks([1.0]), 1.0).draw(400, torch.Generator().manual_seed(1))
    begin = (drawn.features.mean(dim=2) > -0.2).int().argmax(dim=1)
    assert (drawn.features.mean(dim=2).amax(dim=1) > -0.2).all()
    assert begin.max() <= 93
    assert begin.min() < 10
    assert 0.3 < (begin >= 73).float().mean() < 0.7


def test_a_short_sound_may_come_out_of_silence() -> None:
    """Digital silence precedes the click, and the rest is unchanged."""
    config = Config(DataConfig(impulsive={"clap": 1.0}, p_sudden=1.0), augment=AugmentConfig(mel_shift=0.0, speed=0.0))
    pool = make_pool(make_store([clicks([1.5])]), [clip(0, "clap")])
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


def test_labels_that_the_teacher_suspects_are_unsure() -> None:
    """A label that the teacher suspects is not trained as absent; the clip's own label always counts."""
    teacher = Teacher(torch.tensor([[10, 200], [30, 250]], dtype=torch.uint8), torch.tensor([0, 2]))
    drawn = sampler(clicks([1.0]), 1.0, teacher).draw(20, torch.Generator().manual_seed(1))
    assert (drawn.target == torch.tensor([1.0, 0.0])).all()
    assert (drawn.sure == torch.tensor([1.0, 0.0])).all()
    assert drawn.soft[:, 1].min() >= 200 / 255 - 1e-6
    assert torch.allclose(drawn.soft[:, 0], torch.tensor((30 / 255 + 1) / 2))


def test_a_copy_of_other_recordings_is_refused() -> None:
    """Its clips would begin in the wrong places; the message names the files to remove."""
    store = make_store([clicks([1.0])])
    with pytest.raises(DataError, match=r"remove the files copy-\*\.npy"):
        make_pool(store, [clip(0, "clap")], [np.asarray(store.frames)[1:]])


def test_windows_are_drawn_from_every_version_of_a_clip() -> None:
    """The recording and its copies are drawn alike, and the right clip of each."""
    store = make_store([level(0.1), level(0.2)])
    copies = [np.concatenate((level(1.1), level(1.2))), np.concatenate((level(2.1), level(2.2)))]
    config = Config(DataConfig(), augment=AugmentConfig(mel_shift=0.0, speed=0.0))
    pool = make_pool(store, [clip(1, "rain")], copies)
    drawn = CropSampler(pool, ("clap", "rain"), None, None, config, {}).draw(300, torch.Generator().manual_seed(1))
    found = drawn.features.amax(dim=(1, 2))
    shares = [(found - height).abs().lt(0.01).float().mean().item() for height in (0.2, 1.2, 2.2)]
    assert sum(shares) == pytest.approx(1.0)
    assert min(shares) > 0.2


def test_synthetic_sounds_are_drawn_without_a_teacher() -> None:
    """A synthetic sound has its label for certain, a recording has the teachers' scores."""
    store = make_store([level(0.1)])
    teacher = Teacher(torch.tensor([[200, 100]], dtype=torch.uint8), torch.tensor([0, 1]))
    logits = LogitTeacher(torch.tensor([[0.5, -0.5]], dtype=torch.float16), torch.tensor([0, 1]))
    pool = make_pool(store, [clip(0, "rain")], made=[SyntheticSounds("clap", [level(1.0), level(1.0)])])
    sampler_ = CropSampler(pool, ("clap", "rain"), teacher, logits, Config(), {})
    drawn = sampler_.draw(200, torch.Generator().manual_seed(1))
    made = drawn.target[:, 0] > 0
    assert 0.3 < made.float().mean() < 0.7
    assert drawn.features[made][:, 48].mean() > drawn.features[~made][:, 48].mean()
    assert (drawn.soft[made] == torch.tensor([1.0, 0.0])).all()
    assert torch.allclose(drawn.soft[~made][:, 0], torch.tensor(200 / 255))
    assert drawn.logits_weight is not None
    assert drawn.logits is not None
    assert torch.equal(drawn.logits_weight, (~made).float())
    assert (drawn.logits[~made] == torch.tensor([0.5, -0.5])).all()
