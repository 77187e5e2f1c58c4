"""`python -m training train`: where a run begins, and how it is ended from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from tests.support.runs import QUICK, RECIPE
from training.__main__ import main
from training.checkpoint import load_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

THREE = 'data.classes={background=["background"], clap=["clap", "siren"], gunshot=["gunshot"]}'


def test_a_run_begins_with_the_weights_of_another(data: Path, places: list[str], tmp_path: Path) -> None:
    """All weights that fit are taken; with other labels all but the last layer, and a stranger's network is refused."""
    train = ["train", "--config", str(RECIPE), *QUICK, *places]
    assert main([*train, "--out", str(tmp_path / "first")]) == 0
    first = tmp_path / "first" / "last.pt"
    tiny = ["--set", "train.lr=1e-9", "--set", "train.ema_decay=0.0", "--set", f"train.init={first}"]
    assert main([*train, "--out", str(tmp_path / "then"), *tiny, "--set", THREE]) == 0
    have = load_checkpoint(first).model.state_dict()
    now = load_checkpoint(tmp_path / "then" / "last.pt").model.state_dict()
    kernels = [name for name, value in have.items() if value.ndim > 1]
    same = [name for name in kernels if have[name].shape == now[name].shape]
    assert len(kernels) - len(same) == 1
    assert all(torch.allclose(have[name], now[name], atol=1e-5) for name in same)
    wide = ["--set", "model.stem=5", "--set", "model.stages=[]", "--set", "model.head=7"]
    assert main([*train, "--out", str(tmp_path / "no"), *tiny, *wide, "--set", "model.name=sp4sc"]) == 78


def test_who_ends_a_command_sees_no_traceback(
    places: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside of a run, whose state is kept, SIGINT is the status that a shell gives it."""

    def ended(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.learn.engine.train", ended)
    assert main(["train", "--config", str(RECIPE), "--out", str(tmp_path), *places]) == 130
