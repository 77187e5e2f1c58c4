"""`python -m training distil`, and the scores of a teacher."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from tests.support.recordings import LABELS
from tests.support.runs import QUICK, RECIPE
from training.__main__ import main
from training.checkpoint import load_checkpoint
from training.data.features import FeatureStore
from training.data.manifest import Clip
from training.learn.distillation import make_teacher

if TYPE_CHECKING:
    from pathlib import Path

THREE = 'data.classes={background=["background"], clap=["clap", "siren"], gunshot=["gunshot"]}'


def test_a_network_learns_from_another(data: Path, places: list[str], tmp_path: Path) -> None:
    """A network of another shape is trained on the teacher's scores; a teacher of other labels is refused."""
    train = ["--config", str(RECIPE), *QUICK, *places]
    assert main(["train", *train, "--out", str(tmp_path / "first")]) == 0
    teacher = ["--teacher", str(tmp_path / "first" / "last.pt"), "--out", str(tmp_path / "pupil")]
    assert main(["distil", *train, *teacher, "--set", "model.head=8"]) == 0
    assert load_checkpoint(tmp_path / "pupil" / "last.pt").labels == LABELS
    assert main(["distil", *train, *teacher, "--set", THREE]) == 65


def test_a_teacher_has_scores_of_every_second(data: Path, places: list[str], tmp_path: Path) -> None:
    """A row for every window of 2 s, a second apart, of the decision at its end; one for a shorter clip."""
    assert main(["train", "--config", str(RECIPE), *QUICK, *places, "--out", str(tmp_path)]) == 0
    checkpoint = load_checkpoint(tmp_path / "last.pt")
    frames = [64, 128, 200, 640]
    rng = np.random.default_rng(1)
    whole = rng.normal(size=(sum(frames), checkpoint.params.n_mels)).astype(np.float16)
    store = FeatureStore(whole, np.cumsum([0, *frames]), checkpoint.params)
    clips = [Clip(n, "", "siren", "c", str(n), "", "", "", 1.0) for n in range(len(frames))]
    teacher = make_teacher(checkpoint, clips, store)
    assert np.diff(teacher.offsets).tolist() == [1, 1, 2, 9]
    last = torch.sigmoid(checkpoint.model(torch.from_numpy(store.get(clips[1])[None, 128 - 96 :])))
    assert torch.allclose(teacher.scores[1] / 255, last[0], atol=1 / 255)
