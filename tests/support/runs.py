"""Tiny training material: features of tones and clicks, without files."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from edge.frontend.params import FrontEndParams
from training.config import Config, ModelConfig, Stage, load_config
from training.data.dataset import Dataset
from training.data.features import FeatureStore
from training.data.manifest import Clip
from training.data.teacher import LogitTeacher
from training.learn import engine

if TYPE_CHECKING:
    import signal

    import pytest

PARAMS = FrontEndParams()
RECIPE = Path(__file__).with_name("small.toml")
QUICK = ("--set", "train.steps=4", "--set", "train.validate_every=4")
"""Arguments of a run that has hardly begun."""
LABELS = ("background", "clap", "siren")
_CLIPS, _FRAMES, _CLASSES = 18, 130, 5
_SMALL = ModelConfig(stem=4, head=8, stages=(Stage(8, 1, 2, 2, residual=False),))


def make_dataset() -> Dataset:
    """Return clips of two seconds, two thirds for training, with another teacher's logits."""
    rng = np.random.default_rng(1)
    mel = rng.normal(-1.0, 0.1, (_CLIPS, _FRAMES, PARAMS.n_mels))
    mel[1::3, 60:66] += 2.0
    mel[2::3, :, 20:23] += 2.0
    offsets = np.arange(_CLIPS + 1) * _FRAMES
    store = FeatureStore(mel.reshape(-1, PARAMS.n_mels).astype(np.float16), offsets, PARAMS)
    clips = [
        Clip(i, f"{i}.wav", LABELS[i % 3], "c", group=f"g{i}", uploader="", licence="", name="", duration_s=2.0)
        for i in range(_CLIPS)
    ]
    teacher = LogitTeacher(
        torch.from_numpy(rng.normal(size=(2 * _CLIPS, _CLASSES)).astype(np.float16)), torch.arange(_CLIPS + 1) * 2
    )
    return Dataset(clips[:12], clips[12:], LABELS, store, None, teacher)


def config(**settings: Any) -> Config:
    """Return the settings of a run of 6 steps with a validation every 2; `train` overrides them."""
    small = load_config(RECIPE, ["data.impulsive={ clap = 1.0 }", "data.quiet_label=background"])
    train = {"steps": 6, "batch": 8, "validate_every": 2, "warmup_steps": 2, "distil_weight": 0.5, **settings}
    return dataclasses.replace(small, model=_SMALL, train=dataclasses.replace(small.train, **train))


def signal_at_validation(monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    """Send this process a signal during the first validation of a run."""
    validate = engine.validate

    def send_signal(*arguments: Any) -> dict[str, float]:
        os.kill(os.getpid(), number)
        monkeypatch.setattr(engine, "validate", validate)
        return validate(*arguments)

    monkeypatch.setattr(engine, "validate", send_signal)
