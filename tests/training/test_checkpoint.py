"""Checkpoints, and the states of runs, come back as they were or not at all."""

from __future__ import annotations

import dataclasses
import pickle
from typing import TYPE_CHECKING

import pytest
import torch

from edge.errors import DataError
from edge.frontend.params import FrontEndParams
from training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from training.config import Config, ModelConfig, Stage, TrainConfig
from training.learn.resume import load_resume, save_resume
from training.models import build_model

if TYPE_CHECKING:
    from pathlib import Path

PARAMS = FrontEndParams()
SMALL = ModelConfig(stem=4, head=8, stages=(Stage(8, 1, 2, 2, residual=False),))


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    """Settings, front end, labels and every output of the network are the same."""
    params = dataclasses.replace(PARAMS, log_floor=1e-7)
    wrote = Checkpoint(build_model(SMALL, 64, 2).eval(), Config(model=SMALL), params, ("a", "b"), 9)
    save_checkpoint(tmp_path / "x.pt", wrote)
    read = load_checkpoint(tmp_path / "x.pt")
    x = torch.randn(2, 96, 64)
    assert (read.config, read.params, read.labels, read.step) == (wrote.config, params, ("a", "b"), 9)
    assert torch.equal(read.model(x), wrote.model(x))


class Trap:
    """A pickle that would run code."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        """Ask the reader to make a list of a word."""
        return list, ("trap",)


@pytest.mark.parametrize("content", [pickle.dumps(Trap()), b"", b"text", None], ids=["code", "empty", "text", "other"])
def test_another_file_is_refused(content: bytes | None, tmp_path: Path) -> None:
    """Code, emptiness, text and another program's file are one clear error, and nothing of them is run."""
    path = tmp_path / "x.pt"
    if content is None:
        torch.save({"model": torch.zeros(1)}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.pt: the file is not a checkpoint"):
        load_checkpoint(path)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    """A checkpoint of a version that built the network otherwise is one clear error."""
    path = tmp_path / "x.pt"
    save_checkpoint(path, Checkpoint(torch.nn.Linear(2, 2), Config(), FrontEndParams(), ("a", "b"), 1))
    with pytest.raises(DataError, match=r"x\.pt: its weights belong to another resnet"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"config": {"train": {"speed": 1}}}, "its settings are not of this version: .*train.speed"),
        ({"config": {}, "frontend": {"n_fft": 0}}, "the checkpoint is incomplete: front end: n_fft"),
        ({"config": {}, "frontend": {}}, "the checkpoint is incomplete: 'labels'"),
    ],
)
def test_a_checkpoint_of_another_version_is_refused(values: dict[str, object], said: str, tmp_path: Path) -> None:
    """Settings that are unknown here, a front end that cannot be, and parts that are missing are named."""
    torch.save({"format": 1, **values}, tmp_path / "x.pt")
    with pytest.raises(DataError, match=rf"x\.pt: {said}"):
        load_checkpoint(tmp_path / "x.pt")


def test_the_state_of_a_run_comes_back(tmp_path: Path) -> None:
    """Values and tensors are the same, for any device in the settings."""
    save_resume(tmp_path / "r.pt", Config(), {"step": 3, "dice": torch.arange(4)})
    values = load_resume(tmp_path / "r.pt", Config(train=TrainConfig(device="cpu")))
    assert values["step"] == 3
    assert values["dice"].tolist() == [0, 1, 2, 3]


def test_a_run_with_other_settings_is_refused(tmp_path: Path) -> None:
    """Every setting that differs is named with its old value."""
    save_resume(tmp_path / "r.pt", Config(), {})
    other = Config(train=TrainConfig(lr=0.01), model=ModelConfig(head=9))
    with pytest.raises(DataError, match=r"model\.head was 256 and is 9, train\.lr was 0\.003 and is 0\.01"):
        load_resume(tmp_path / "r.pt", other)


def test_a_checkpoint_is_no_state_of_a_run(tmp_path: Path) -> None:
    """A file of tensors that is not of the form is one clear error."""
    torch.save({"format": 0}, tmp_path / "r.pt")
    with pytest.raises(DataError, match=r"r\.pt: the file is not the state of a run of format"):
        load_resume(tmp_path / "r.pt", Config())
